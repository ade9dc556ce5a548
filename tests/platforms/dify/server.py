"""Dify's service interface on a free port: conversations, uploads, streams, and every way in which they go wrong."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from aiohttp import web

KEY = "app-secret-1"
Script = Callable[[web.Request, dict[str, Any]], Awaitable[web.StreamResponse]]


def chat(*words: str, conversation: str = "conv-1", event: str = "message") -> list[dict[str, Any]]:
    """The events of a chat's answer."""
    shared = {"conversation_id": conversation, "message_id": "m-1", "task_id": "t-1"}
    pieces = [{"event": event, "answer": word, **shared} for word in words]
    end = {"event": "message_end", "metadata": {"usage": {"total_tokens": 9}}, **shared}
    return [*pieces, end]


def workflow(
    *words: str, outputs: Any = None, status: str = "succeeded", **data: Any
) -> list[dict[str, Any]]:
    """The events of a workflow's run."""
    shared = {"task_id": "t-1", "workflow_run_id": "r-1"}
    return [
        {"event": "workflow_started", **shared, "data": {"id": "r-1"}},
        {"event": "node_started", **shared, "data": {"node_type": "start"}},
        *({"event": "text_chunk", **shared, "data": {"text": word}} for word in words),
        {"event": "node_finished", **shared, "data": {"node_type": "end"}},
        {"event": "workflow_finished", **shared, "data": {"status": status, "outputs": outputs, **data}},
    ]


def streams(
    *events: Any, drop: bool = False, hang: bool = False, gate: asyncio.Event | None = None
) -> Script:
    """Sends events; then ends, says nothing for ever, or breaks the connection. A gate holds all but the first back."""

    async def script(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        await response.write(b"event: ping\n\n")
        for number, event in enumerate(events):
            if number == 1 and gate is not None:
                await gate.wait()
            data = event if isinstance(event, str) else json.dumps(event)
            await response.write(f"data: {data}\n\n".encode())
        if hang:
            await asyncio.Event().wait()
        if drop:
            assert request.transport is not None
            request.transport.abort()
        return response

    return script


def refuses(status: int, code: str = "invalid_param", message: str = "no", **headers: str) -> Script:
    """An error as Dify words it."""

    async def script(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.json_response(
            {"code": code, "message": message, "status": status}, status=status, headers=named
        )

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
    """Takes the question and says nothing."""
    await asyncio.Event().wait()
    raise AssertionError


class Server:
    """What it was asked, and what it answers: scripts in turn, the last one again and again."""

    def __init__(self) -> None:
        self.scripts: list[Script] = [streams(*chat("Hello ", "there"))]
        self.asked: list[dict[str, Any]] = []
        self.keys: list[str] = []
        self.uploads: list[tuple[str, str, bytes]] = []
        self.files = {"a.png": b"\x89PNG picture"}
        self.url = ""
        self.root = ""

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """POST chat-messages and workflows/run."""
        if request.headers.get("authorization") != f"Bearer {KEY}":
            body = {"code": "unauthorized", "message": f"bad key {request.headers.get('authorization')}"}
            return web.json_response(body, status=401)
        body = await request.json()
        self.asked.append({**body, "path": request.path.removeprefix("/v1/")})
        self.keys.append(request.headers.get("idempotency-key", ""))
        script = self.scripts.pop(0) if len(self.scripts) > 1 else self.scripts[0]
        return await script(request, body)

    async def upload(self, request: web.Request) -> web.StreamResponse:
        """POST files/upload: a file and the user, as form fields."""
        form = await request.post()
        part, user = form["file"], form["user"]
        assert isinstance(part, web.FileField)
        assert isinstance(user, str)
        self.uploads.append((part.content_type, user, part.file.read()))
        return web.json_response({"id": f"file-{len(self.uploads)}"}, status=201)

    async def file(self, request: web.Request) -> web.StreamResponse:
        """GET files/<name>."""
        return web.Response(body=self.files[request.match_info["name"]], content_type="image/png")


@contextlib.asynccontextmanager
async def served(port: int = 0) -> AsyncIterator[Server]:
    """A server on a free port."""
    server = Server()
    app = web.Application()
    app.router.add_post("/v1/chat-messages", server.serve)
    app.router.add_post("/v1/workflows/run", server.serve)
    app.router.add_post("/v1/files/upload", server.upload)
    app.router.add_get("/files/{name}", server.file)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port)
    await site.start()
    host, bound = runner.addresses[0][:2]
    server.root = f"http://{host}:{bound}"
    server.url = f"{server.root}/v1"
    try:
        yield server
    finally:
        await runner.cleanup()
