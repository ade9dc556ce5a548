"""The same implementation in the other two modes: it is dialled, or it takes actions and posts events over HTTP."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from aiohttp import WSMsgType, web
from jackfield_sdk import JackfieldError
from jackfield_sdk.conformance import LocalPlatform, Reach
from jackfield_sdk.ingress import HttpRequest

from tests.platforms.onebot.fixture import SELF, OneBot

TOKEN = "a token of onebot"


class Served(OneBot):
    """It listens."""

    mode, scheme = "", ""

    def __init__(self) -> None:
        super().__init__()
        app = web.Application()
        app.router.add_route("*", "/{action:.*}", self._handle)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        self.url = ""

    async def start(self) -> None:
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"{self.scheme}://127.0.0.1:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        await self._runner.cleanup()

    def bot_config(self) -> dict[str, Any]:
        return {"mode": self.mode, "url": self.url, "access_token": TOKEN}

    def wrong_config(self) -> dict[str, Any]:
        return self.bot_config() | {"access_token": "a token of nobody"}

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return web.Response(status=401)
        return await self._served(request)

    async def _served(self, request: web.Request) -> web.StreamResponse:
        raise NotImplementedError

    async def notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()


class Forward(Served):
    """Dialled by the adapter."""

    mode, scheme = "forward", "ws"

    def __init__(self) -> None:
        super().__init__()
        self._request: web.Request | None = None
        self.dialled = 0
        """Connections so far."""

    async def connect(self, reach: Reach) -> None:
        await self.until(lambda: self._socket is not None)

    async def _served(self, request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self._request = request
        async for frame in socket:
            if frame.type is not WSMsgType.TEXT:
                break
            action = json.loads(frame.data)
            answer = self._answer(action["action"], action["params"])
            if answer is not None:
                await socket.send_json({**answer, "echo": action["echo"]})
            if action["action"] == "get_login_info" and self._socket is not socket:
                self._socket = socket  # type: ignore[assignment]
                self.dialled += 1
            await self.notify()
        if self._socket is socket:
            self._socket = None
        await self.notify()
        return socket

    async def drop(self) -> None:
        self._socket = None
        assert self._request is not None
        assert self._request.transport is not None
        self._request.transport.abort()


class Http(Served):
    """Actions are requests, events are posted by way of ingress."""

    mode, scheme = "http", "http"

    def __init__(self) -> None:
        super().__init__()
        self._reach: Reach
        self._last = b""
        self._asked = False

    def bot_config(self) -> dict[str, Any]:
        return super().bot_config() | {"secret": "a secret of onebot"}

    async def connect(self, reach: Reach) -> None:
        self._reach = reach
        await self.until(lambda: self._asked)

    async def _served(self, request: web.Request) -> web.StreamResponse:
        action = request.match_info["action"]
        answer = self._answer(action, await request.json())
        if answer is None:
            self._asked = True
            await self.notify()
            await self.until(lambda: not self.stalled)
            answer = {"status": "ok", "retcode": 0, "data": {"message_id": 1}}
        self._asked = self._asked or action == "get_login_info"
        await self.notify()
        return web.json_response(answer)

    async def release(self) -> None:
        self.stalled = False
        await self.notify()

    async def _event(self, **native: Any) -> None:
        now = 1_700_000_000 + next(self._numbers)
        await self._post(json.dumps({"time": now, "self_id": SELF, **native}).encode())

    async def _post(self, body: bytes) -> None:
        self._last = body
        headers = (("content-type", "application/json"), ("x-self-id", str(SELF)))
        with suppress(JackfieldError):
            # What is refused is posted again by `again` and `resend`, as implementations do that are set so.
            await self._reach.request(HttpRequest(route="events", headers=headers, body=body))

    async def again(self) -> None:
        await self._post(self._last)

    async def resend(self) -> None:
        await self._post(self._last)

    async def malformed(self) -> None:
        for text in (
            "{",
            "[]",
            '{"post_type": "message"}',
            '{"post_type": 5, "self_id": 1, "message": [[[]]]}',
        ):
            await self._post(text.encode())

    async def drop(self) -> None:
        await LocalPlatform.drop(self)


def create_forward() -> LocalPlatform:
    """For `--server tests.platforms.onebot.modes:create_forward`."""
    return Forward()


def create_http() -> LocalPlatform:
    """For `--server tests.platforms.onebot.modes:create_http`."""
    return Http()


CREATE: dict[str, Callable[[], LocalPlatform]] = {"forward": create_forward, "http": create_http}
