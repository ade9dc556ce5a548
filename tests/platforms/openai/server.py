"""Chat completions over HTTP and server-sent events, as scripted by a test."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from aiohttp import web

Script = Callable[[web.Request, dict[str, Any]], Awaitable[web.StreamResponse]]


def chunk(delta: dict[str, Any] | None = None, finish: str | None = None, **fields: Any) -> dict[str, Any]:
    """One piece of an answer."""
    choices = (
        []
        if delta is None and finish is None
        else [{"index": 0, "delta": delta or {}, "finish_reason": finish}]
    )
    return {
        "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "served",
        "choices": choices, **fields,
    }  # fmt: skip


def words(text: str) -> list[dict[str, Any]]:
    """A plain answer in pieces, with usage as the provider sends it."""
    usage = {
        "prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13,
        "prompt_tokens_details": {"cached_tokens": 2},
        "completion_tokens_details": {"reasoning_tokens": 1},
    }  # fmt: skip
    pieces = [chunk({"content": f"{word} "}) for word in text.split()]
    return [*pieces, chunk(finish="stop"), chunk(usage=usage)]


def streams(
    *chunks: dict[str, Any] | str, done: bool = True, drop: bool = False, hang: bool = False
) -> Script:
    """Sends pieces; then the end, nothing for ever, or a broken connection."""

    async def script(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        for one in chunks:
            text = one if isinstance(one, str) else json.dumps(one)
            await response.write(f"data: {text}\n\n".encode())
        if hang:
            await asyncio.Event().wait()
        if drop:
            assert request.transport is not None
            request.transport.abort()
        elif done:
            await response.write(b"data: [DONE]\n\n")
        return response

    return script


def refuses(status: int, code: str = "", message: str = "no", **headers: str) -> Script:
    """An error as the provider words it."""

    async def script(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        error = {"error": {"message": message, "type": "error", "param": "p", "code": code or None}}
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.json_response(error, status=status, headers=named)

    return script


def floods(line: bytes) -> Script:
    """The same bytes without an end."""

    async def script(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        with contextlib.suppress(ConnectionError):
            while True:
                await response.write(line)
        return response

    return script


async def never(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
    """Takes the request and says nothing."""
    await asyncio.Event().wait()
    raise AssertionError


class Server:
    """What it was asked, and what it answers: scripts in turn, the last one again and again."""

    def __init__(self) -> None:
        self.scripts: list[Script] = [streams(*words("Hello there"))]
        self.asked: list[dict[str, Any]] = []
        self.keys: list[str] = []
        self.url = ""

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """POST chat/completions."""
        body = await request.json()
        self.asked.append(body)
        self.keys.append(request.headers["authorization"].removeprefix("Bearer "))
        script = self.scripts.pop(0) if len(self.scripts) > 1 else self.scripts[0]
        return await script(request, body)


@contextlib.asynccontextmanager
async def served() -> AsyncIterator[Server]:
    """A server on a free port."""
    server = Server()
    app = web.Application()
    app.router.add_post("/v1/chat/completions", server.serve)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    server.url = f"http://{host}:{port}/v1"
    try:
        yield server
    finally:
        await runner.cleanup()
