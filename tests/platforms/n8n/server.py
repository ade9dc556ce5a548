"""A webhook of n8n, or of anything else that answers over HTTP, on a free port."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from aiohttp import web

Script = Callable[[web.Request], Awaitable[web.StreamResponse]]


def says(body: Any, *, status: int = 200, kind: str = "application/json", **headers: str) -> Script:
    """One answer."""

    async def script(request: web.Request) -> web.StreamResponse:
        text = body if isinstance(body, str) else json.dumps(body)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.Response(text=text, status=status, content_type=kind, headers=named)

    return script


def streams(
    *chunks: bytes | str,
    kind: str = "application/json",
    drop: bool = False,
    hang: bool = False,
    gate: asyncio.Event | None = None,
) -> Script:
    """Sends bytes as they are; then ends, hangs or breaks off. A gate holds all but the first back."""

    async def script(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-type": kind})
        await response.prepare(request)
        for number, chunk in enumerate(chunks):
            if number == 1 and gate is not None:
                await gate.wait()
            await response.write(chunk.encode() if isinstance(chunk, str) else chunk)
        if hang:
            await asyncio.Event().wait()
        if drop:
            assert request.transport is not None
            request.transport.abort()
        return response

    return script


def items(*words: str) -> list[str]:
    """The objects of n8n's streamed answer."""
    return [
        json.dumps({"type": "begin", "metadata": {}}),
        *(json.dumps({"type": "item", "content": word}) for word in words),
        json.dumps({"type": "end", "metadata": {}}),
    ]


class Server:
    """What it was asked, and what it answers: scripts in turn, the last one again and again."""

    def __init__(self) -> None:
        self.scripts: list[Script] = [says({"response": "Hello there"})]
        self.asked: list[Any] = []
        self.headers: list[dict[str, str]] = []
        self.url = ""

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Any method on any path."""
        self.asked.append(await request.json() if request.can_read_body else dict(request.query))
        self.headers.append({name.lower(): value for name, value in request.headers.items()})
        script = self.scripts.pop(0) if len(self.scripts) > 1 else self.scripts[0]
        return await script(request)


@contextlib.asynccontextmanager
async def served() -> AsyncIterator[Server]:
    """A server on a free port."""
    server = Server()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.serve)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    server.url = f"http://{host}:{port}/webhook/ask"
    try:
        yield server
    finally:
        await runner.cleanup()
