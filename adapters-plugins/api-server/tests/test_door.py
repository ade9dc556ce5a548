"""Connections above the bound cost nothing and end at once."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from aiohttp import web
from jackfield_api_server.door import Door
from jackfield_sdk.listening import listen


async def test_a_connection_too_many_is_cut_and_the_next_is_taken_when_one_ends() -> None:
    async def hello(request: web.Request) -> web.Response:
        return web.Response(text="hello")

    app = web.Application()
    app.router.add_get("/", hello)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    door = Door(runner, limit=1)
    sockets = listen(["127.0.0.1"], 0, plugin="x")
    port = sockets[0].getsockname()[1]
    await door.open(sockets)

    async def served() -> tuple[bytes, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        got = b""
        with suppress(ConnectionError):
            writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            got = await reader.read(15)
        return got, writer

    async with asyncio.timeout(10):
        first, held = await served()
        assert first == b"HTTP/1.1 200 OK"
        refused, cut = await served()
        assert refused == b""
        held.close()
        while not (again := await served())[0]:
            again[1].close()
        for writer in (cut, again[1]):
            writer.close()
    await door.close()
