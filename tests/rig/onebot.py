"""A OneBot v11 implementation that numbers its messages and keeps what it is told to send."""

from __future__ import annotations

import asyncio
import contextlib
import time
from types import TracebackType
from typing import Any

import aiohttp

SELF = 10001


class OneBotClient:
    """Dials the adapter and redials when the connection is lost; messages wait while there is none."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.replies: list[str] = []
        self.connections = 0
        self.arrived = asyncio.Condition()
        self._outgoing: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None

    async def say(self, text: str, user: int = 42) -> None:
        """Queue a private message."""
        await self._outgoing.put(
            {
                "post_type": "message",
                "message_type": "private",
                "sub_type": "friend",
                "message_id": len(text),
                "user_id": user,
                "message": text,
                "raw_message": text,
                "self_id": SELF,
                "time": int(time.time()),
                "sender": {"user_id": user, "nickname": "Ann"},
            }
        )

    async def until(self, count: int, seconds: float = 30.0) -> list[str]:
        """Wait for so many replies."""
        async with asyncio.timeout(seconds), self.arrived:
            await self.arrived.wait_for(lambda: len(self.replies) >= count)
        return self.replies

    async def _run(self) -> None:
        async with aiohttp.ClientSession(
            headers={"X-Self-ID": str(SELF), "X-Client-Role": "Universal"}
        ) as session:
            while True:
                with contextlib.suppress(aiohttp.ClientError, ConnectionError):
                    async with session.ws_connect(self.url) as socket:
                        self.connections += 1
                        await self._talk(socket)
                await asyncio.sleep(0.05)

    async def _talk(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        async def write() -> None:
            while True:
                message = await self._outgoing.get()
                await socket.send_json(message)

        writing = asyncio.create_task(write())
        try:
            async for message in socket:
                await self._answer(socket, message.json())
        finally:
            writing.cancel()
            with contextlib.suppress(asyncio.CancelledError, ConnectionError, aiohttp.ClientError):
                await writing

    async def _answer(self, socket: aiohttp.ClientWebSocketResponse, action: dict[str, Any]) -> None:
        data: dict[str, Any] = {"user_id": SELF, "nickname": "bot"}
        if action["action"].startswith("send"):
            text = "".join(part["data"].get("text", "") for part in action["params"]["message"])
            async with self.arrived:
                self.replies.append(text)
                self.arrived.notify_all()
            data = {"message_id": len(self.replies)}
        await socket.send_json({"status": "ok", "retcode": 0, "data": data, "echo": action.get("echo")})

    async def __aenter__(self) -> OneBotClient:
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
