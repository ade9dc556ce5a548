"""A OneBot v11 implementation: it dials the adapter, sends each numbered message once and never again, and counts the replies."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from contextlib import suppress
from types import TracebackType
from typing import Any

import aiohttp

from tests.rig.command import free_port

from .tally import Tally

ACCOUNT = 10_000
FIRST_USER = 20_000
REDIAL_SECONDS = 0.02
ANSWERS: dict[str, Any] = {"get_login_info": {"user_id": ACCOUNT, "nickname": "chaos"}}


class OneBotClient(Tally):
    """One account. Where it has no connection it says nothing; what was under way when one broke is gone."""

    def __init__(self) -> None:
        super().__init__()
        self.port = free_port()
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._sending: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._tasks: list[asyncio.Task[None]] = []
        self._numbers = itertools.count(1)

    async def connected(self) -> None:
        """Wait for a connection."""
        while self._socket is None or self._socket.closed:
            await self.change()

    def send(self, number: int, lane: str) -> None:
        """Hand it to the socket."""
        user = FIRST_USER + int(lane.removeprefix("lane"))
        self._sending.put_nowait(
            {
                "post_type": "message",
                "message_type": "private",
                "sub_type": "friend",
                "message_id": number,
                "user_id": user,
                "message": [{"type": "text", "data": {"text": str(number)}}],
                "raw_message": str(number),
                "font": 0,
                "sender": {"user_id": user, "nickname": "somebody"},
            }
        )

    async def _write(self) -> None:
        while True:
            event = await self._sending.get()
            await self.connected()
            assert self._socket is not None
            with suppress(ConnectionError, aiohttp.ClientError):
                await self._socket.send_json({"time": int(time.time()), "self_id": ACCOUNT, **event})

    async def _dial(self) -> None:
        url = f"ws://127.0.0.1:{self.port}/onebot/v11/ws"
        headers = {"X-Self-ID": str(ACCOUNT), "X-Client-Role": "Universal"}
        async with aiohttp.ClientSession() as session:
            while True:
                with suppress(ConnectionError, aiohttp.ClientError):
                    async with session.ws_connect(url, headers=headers) as socket:
                        self._socket = socket
                        self.changed()
                        async for frame in socket:
                            await self._action(socket, json.loads(frame.data))
                await asyncio.sleep(REDIAL_SECONDS)

    async def _action(self, socket: aiohttp.ClientWebSocketResponse, action: dict[str, Any]) -> None:
        name, params = action["action"], action.get("params") or {}
        data = ANSWERS.get(name, {})
        if name in ("send_msg", "send_private_msg"):
            text = "".join(part["data"].get("text", "") for part in params["message"])
            self.heard(f"lane{int(params['user_id']) - FIRST_USER}", int(text))
            data = {"message_id": next(self._numbers)}
        await socket.send_json({"status": "ok", "retcode": 0, "data": data, "echo": action.get("echo")})

    async def __aenter__(self) -> OneBotClient:
        self._tasks = [asyncio.create_task(self._dial()), asyncio.create_task(self._write())]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks)
