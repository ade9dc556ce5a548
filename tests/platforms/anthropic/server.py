"""The Messages interface over HTTP and server-sent events, as scripted by a test."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from aiohttp import web

Script = Callable[[web.Request, dict[str, Any]], Awaitable[web.StreamResponse]]
Event = dict[str, Any]


def start(**usage: int) -> Event:
    """The first event of an answer."""
    counted = {"input_tokens": 9, "output_tokens": 1, **usage}
    message = {
        "id": "msg_1", "type": "message", "role": "assistant", "model": "served", "content": [],
        "stop_reason": None, "stop_sequence": None, "usage": counted,
    }  # fmt: skip
    return {"type": "message_start", "message": message}


def block(index: int, begun: dict[str, Any], *deltas: dict[str, Any]) -> list[Event]:
    """One part of an answer, with its begin and end."""
    return [
        {"type": "content_block_start", "index": index, "content_block": begun},
        *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": index},
    ]


def text(index: int, *pieces: str) -> list[Event]:
    """A part of text."""
    deltas = ({"type": "text_delta", "text": piece} for piece in pieces)
    return block(index, {"type": "text", "text": ""}, *deltas)


def thinking(index: int, signature: str, *pieces: str) -> list[Event]:
    """A part of thinking; the signature comes at its end."""
    deltas = ({"type": "thinking_delta", "thinking": piece} for piece in pieces)
    signed = {"type": "signature_delta", "signature": signature}
    return block(index, {"type": "thinking", "thinking": "", "signature": ""}, *deltas, signed)


def tool(index: int, call: str, name: str, *pieces: str) -> list[Event]:
    """A call of a tool, its arguments in pieces."""
    begun = {"type": "tool_use", "id": call, "name": name, "input": {}}
    deltas = ({"type": "input_json_delta", "partial_json": piece} for piece in pieces)
    return block(index, begun, *deltas)


def end(reason: str | None = "end_turn", **usage: Any) -> list[Event]:
    """The last two events of an answer."""
    delta = {"stop_reason": reason, "stop_sequence": None}
    return [
        {"type": "message_delta", "delta": delta, "usage": {"output_tokens": 4, **usage}},
        {"type": "message_stop"},
    ]


def words(said: str) -> list[Event]:
    """A plain answer."""
    return [start(), {"type": "ping"}, *text(0, *(f"{word} " for word in said.split())), *end()]


def failure(kind: str, message: str = "no") -> Event:
    """An error, as a body or as an event."""
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"}


def streams(*events: Event | str, drop: bool = False, hang: bool = False) -> Script:
    """Sends events, a text as it is; then the end, nothing for ever, or a broken connection."""

    async def script(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        for event in events:
            line = (
                event if isinstance(event, str) else f"event: {event['type']}\ndata: {json.dumps(event)}\n\n"
            )
            await response.write(line.encode())
        if hang:
            await asyncio.Event().wait()
        if drop:
            assert request.transport is not None
            request.transport.abort()
        return response

    return script


def refuses(status: int, kind: str, message: str = "no", **headers: str) -> Script:
    """An error as the provider words it."""

    async def script(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.json_response(failure(kind, message), status=status, headers=named)

    return script


def says(status: int, body: str, **headers: str) -> Script:
    """Whatever a proxy in between may say."""

    async def script(request: web.Request, asked: dict[str, Any]) -> web.StreamResponse:
        return web.Response(text=body, status=status, headers=headers)

    return script


def floods(line: bytes, begun: bytes) -> Script:
    """A begin, then the same bytes without an end."""

    async def script(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        with contextlib.suppress(ConnectionError):
            await response.write(begun)
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
        """POST /v1/messages. Refuses what the real one would refuse whatever the test is about."""
        body = await request.json()
        # The version in which keys travel as bearers and the parameters of sampling are gone.
        assert request.headers["anthropic-version"] == "2026-10-21"
        self.asked.append(body)
        self.keys.append(request.headers["authorization"].removeprefix("Bearer "))
        if fault := faults(body):
            return web.json_response(failure("invalid_request_error", fault), status=400)
        script = self.scripts.pop(0) if len(self.scripts) > 1 else self.scripts[0]
        return await script(request, body)


def faults(body: dict[str, Any]) -> str:
    """What is wrong with a request; "" when nothing is."""
    for name in ("temperature", "top_p", "top_k"):
        if name in body:
            return f"{name}: Extra inputs are not permitted"
    messages, waiting = body["messages"], set[str]()
    if not messages or messages[0]["role"] != "user":
        return "messages.0: the first message must be the user's"
    for number, message in enumerate(messages):
        parts = message["content"]
        if not parts or any(part["type"] == "text" and not part["text"].strip() for part in parts):
            return f"messages.{number}.content: must not be empty"
        results = {part["tool_use_id"] for part in parts if part["type"] == "tool_result"}
        if results != waiting:
            return f"messages.{number}: tool_use without tool_result, or the other way round"
        waiting = {part["id"] for part in parts if part["type"] == "tool_use"}
        for part in parts:
            if part["type"] == "thinking" and not part["signature"]:
                return f"messages.{number}: thinking without its signature"
    return "messages: tool_use without tool_result at the end" if waiting else ""


@contextlib.asynccontextmanager
async def served() -> AsyncIterator[Server]:
    """A server on a free port."""
    server = Server()
    app = web.Application()
    app.router.add_post("/v1/messages", server.serve)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    server.url = f"http://{host}:{port}"
    try:
        yield server
    finally:
        await runner.cleanup()
