"""The long connection: frames, what was acknowledged, and what is sent again when it was not."""

from __future__ import annotations

import asyncio
import itertools
import json
from contextlib import suppress
from typing import Any

from aiohttp import WSMsgType, web
from jackfield_lark.official import frame_class


class Connections:
    """Of one app. `ack_seconds` is how long Lark waits before it sends an event again: three seconds, less in tests."""

    def __init__(self, changed: asyncio.Condition) -> None:
        self.ack_seconds = 3.0
        self.acked: list[str] = []
        self.refused: list[str] = []
        self.opened = 0
        self.pings = 0
        self.split = 1
        self._frame = frame_class()
        self._sockets: list[web.WebSocketResponse] = []
        self._waiting: dict[str, bytes] = {}
        self._timers: set[asyncio.Task[None]] = set()
        self._numbers = itertools.count(1)
        self._changed = changed

    async def handle(self, request: web.Request) -> web.WebSocketResponse:
        """One connection until it ends."""
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self._sockets.append(socket)
        self.opened += 1
        for message_id in list(self._waiting):
            await self._offer(message_id)
        await self._notify()
        try:
            async for message in socket:
                if message.type is WSMsgType.BINARY:
                    await self._heard(socket, message.data)
        finally:
            self._sockets.remove(socket)
        return socket

    async def _heard(self, socket: web.WebSocketResponse, data: bytes) -> None:
        frame = self._frame()
        frame.ParseFromString(data)
        headers = {header.key: header.value for header in frame.headers}
        if frame.method == 0 and headers["type"] == "ping":
            self.pings += 1
            answer = self._new(0, type="pong")
            answer.payload = json.dumps(
                {"PingInterval": 1, "ReconnectInterval": 1, "ReconnectNonce": 0, "ReconnectCount": -1}
            ).encode()
            await socket.send_bytes(answer.SerializeToString())
        elif frame.method == 1:
            good = json.loads(frame.payload)["code"] == 200 and "biz_rt" in headers
            if good:
                self._waiting.pop(headers["message_id"], None)
            (self.acked if good else self.refused).append(headers["message_id"])
        await self._notify()

    async def send(self, payload: Any) -> str:
        """An event; again until it is acknowledged. Its id on the wire."""
        message_id = f"wire-{next(self._numbers)}"
        self._waiting[message_id] = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        await self._offer(message_id)
        return message_id

    async def _offer(self, message_id: str) -> None:
        payload = self._waiting.get(message_id)
        if payload is None or not self._sockets:
            return
        size = -(-len(payload) // self.split)
        for number in range(self.split):
            frame = self._new(
                1, type="event", message_id=message_id, trace_id="t", sum=str(self.split), seq=str(number)
            )
            frame.payload = payload[number * size : (number + 1) * size]
            with suppress(ConnectionError):
                await self._sockets[-1].send_bytes(frame.SerializeToString())
        timer = asyncio.create_task(self._again(message_id))
        self._timers.add(timer)
        timer.add_done_callback(self._timers.discard)

    async def _again(self, message_id: str) -> None:
        await asyncio.sleep(self.ack_seconds)
        await self._offer(message_id)

    def _new(self, method: int, **headers: str) -> Any:
        frame = self._frame()
        frame.SeqID = frame.LogID = 1
        frame.service, frame.method = 7, method
        for key, value in headers.items():
            header = frame.headers.add()
            header.key, header.value = key, value
        return frame

    async def raw(self, data: bytes) -> None:
        """Bytes that are no frame."""
        await self._sockets[-1].send_bytes(data)

    async def drop(self) -> None:
        """Every connection is cut without a word."""
        for socket in list(self._sockets):
            if (transport := socket._req.transport if socket._req else None) is not None:
                transport.abort()

    async def close(self) -> None:
        """Ends what waits."""
        self._waiting.clear()
        timers = list(self._timers)
        for timer in timers:
            timer.cancel()
        await asyncio.gather(*timers, return_exceptions=True)
        for socket in list(self._sockets):
            await socket.close()

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()
