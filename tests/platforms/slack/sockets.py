"""Socket Mode: tickets, hello, envelopes with their acknowledgements, redelivery, farewells."""

from __future__ import annotations

import asyncio
import itertools
import secrets
from contextlib import suppress
from typing import Any

from aiohttp import WSMsgType, web

ACK_SECONDS = 3.0


class Sockets:
    """Envelopes wait while nobody is connected, as Slack keeps them for its retries."""

    def __init__(self) -> None:
        self.connections = 0
        self.acked: list[str] = []
        self.late: list[str] = []
        self.ack_seconds = ACK_SECONDS
        self._tickets: set[str] = set()
        self._open: list[web.WebSocketResponse] = []
        self._unacked: dict[str, tuple[dict[str, Any], int]] = {}
        self._numbers = itertools.count(1)
        self._changed = asyncio.Condition()
        self._tasks: set[asyncio.Task[None]] = set()

    def ticket(self) -> str:
        """Good for one connection."""
        ticket = secrets.token_hex(8)
        self._tickets.add(ticket)
        return ticket

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        """One connection."""
        if request.query.get("ticket") not in self._tickets:
            raise web.HTTPUnauthorized
        self._tickets.discard(request.query["ticket"])
        socket = web.WebSocketResponse(autoping=True, heartbeat=5)
        await socket.prepare(request)
        await socket.send_json({"type": "hello", "num_connections": 1, "debug_info": {"host": "test"}})
        self.connections += 1
        self._open.append(socket)
        await self._notify()
        for envelope_id in list(self._unacked):
            await self._send(envelope_id)
        try:
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    await self._took(message.json().get("envelope_id", ""))
        finally:
            if socket in self._open:
                self._open.remove(socket)
        return socket

    async def _took(self, envelope_id: str) -> None:
        if self._unacked.pop(envelope_id, None) is not None:
            self.acked.append(envelope_id)
        await self._notify()

    async def send(self, kind: str, payload: dict[str, Any]) -> str:
        """Sends an envelope, again and again until it is acknowledged."""
        envelope_id = f"env-{next(self._numbers)}"
        frame = {
            "type": kind,
            "envelope_id": envelope_id,
            "payload": payload,
            "accepts_response_payload": kind != "events_api",
        }
        self._unacked[envelope_id] = (frame, 0)
        if self._open:
            await self._send(envelope_id)
        return envelope_id

    async def _send(self, envelope_id: str) -> None:
        if envelope_id not in self._unacked:
            return
        frame, tries = self._unacked[envelope_id]
        self._unacked[envelope_id] = (frame, tries + 1)
        if frame["type"] == "events_api":
            frame = {**frame, "retry_attempt": tries, "retry_reason": "timeout" if tries else ""}
        if self._open:
            # On a connection whose other end just died it is lost, and sent again.
            with suppress(ConnectionError):
                await self._open[-1].send_json(frame)
        task = asyncio.create_task(self._again(envelope_id, tries + 1))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _again(self, envelope_id: str, tries: int) -> None:
        await asyncio.sleep(self.ack_seconds)
        if self._unacked.get(envelope_id, (None, 0))[1] == tries:
            self.late.append(envelope_id)
            await self._send(envelope_id)

    async def raw(self, text: str) -> None:
        """Sends a frame as it is."""
        await self._open[-1].send_str(text)

    async def disconnect(self, reason: str = "refresh_requested") -> None:
        """Announces the end of the present connection, and ends it."""
        socket = self._open[-1]
        await socket.send_json({"type": "disconnect", "reason": reason})

    async def drop(self) -> None:
        """Cuts every connection without a word."""
        for socket in list(self._open):
            transport = socket._req.transport if socket._req is not None else None
            if transport is not None:
                transport.abort()

    async def until_acked(self, *envelope_ids: str) -> None:
        """Waits for these acknowledgements."""
        async with asyncio.timeout(20), self._changed:
            await self._changed.wait_for(lambda: set(envelope_ids) <= set(self.acked))

    async def until_connected(self, times: int = 1) -> None:
        """Waits for so many connections so far."""
        async with asyncio.timeout(20), self._changed:
            await self._changed.wait_for(lambda: self.connections >= times)

    async def close(self) -> None:
        """The end of the server."""
        for task in self._tasks:
            task.cancel()
        for socket in list(self._open):
            await socket.close()

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()
