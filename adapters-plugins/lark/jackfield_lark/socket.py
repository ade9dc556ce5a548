"""The long connection: one WebSocket with frames of the official library, opened anew whenever it ends, until it is cancelled.

A data frame is answered by itself with `{"code": 200}` by whoever made its event durable. Lark gives three seconds, and sends what was
not answered again.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

import aiohttp
from jackfield_sdk import AuthExpired, Bot, BotState, JackfieldError, PermissionDenied, RateLimited

from jackfield_lark.official import frame_class
from jackfield_lark.web import Web

FIRST_PAUSE, LONGEST_PAUSE = 0.2, 30.0
SLOWEST_PING = 120.0
MARGIN_SECONDS = 10.0
LARGEST_FRAME = 8 << 20
MOST_PARTS, MOST_SPLIT, SPLIT_SECONDS = 64, 64, 10.0
FATAL = (AuthExpired, PermissionDenied)
CONTROL, DATA = 0, 1

Acknowledge = Callable[[], Awaitable[None]]
OnEvent = Callable[[bytes, Acknowledge], Awaitable[None]]


class LongConnection:
    """One bot's connection."""

    def __init__(self, bot: Bot, web: Web, http: aiohttp.ClientSession, on_event: OnEvent) -> None:
        self._bot = bot
        self._web = web
        self._http = http
        self._on_event = on_event
        self._frame = frame_class()
        self._ping_seconds = SLOWEST_PING
        self._parts = _Parts()

    async def run(self, first: tuple[str, Mapping[str, Any]]) -> None:
        """Until cancelled. `first` is what `Web.endpoint` answered."""
        pause = FIRST_PAUSE
        endpoint: tuple[str, Mapping[str, Any]] | None = first
        while True:
            try:
                url, settings = endpoint or await self._web.endpoint()
                self._configure(settings)
                await self._talk(url)
                pause = FIRST_PAUSE
            except FATAL as error:
                self._bot.state(BotState.FAILED, error)
                pause = LONGEST_PAUSE
            except (JackfieldError, aiohttp.ClientError, OSError, TimeoutError) as error:
                words = error.message if isinstance(error, JackfieldError) else type(error).__name__
                self._bot.log.info("the long connection ended: %s", words)
                self._bot.state(BotState.CONNECTING, f"not connected to Lark: {words}")
                if isinstance(error, RateLimited):
                    pause = max(pause, error.retry_after or 0.0)
            endpoint = None
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))
            pause = min(2 * pause, LONGEST_PAUSE)

    async def _talk(self, url: str) -> None:
        """One connection until it ends."""
        service = parse_qs(urlsplit(url).query).get("service_id", ["0"])[0]
        async with self._http.ws_connect(url, max_msg_size=LARGEST_FRAME, timeout=_CLOSING) as socket:
            self._bot.state(BotState.ACTIVE)
            pinging = asyncio.create_task(
                self._ping(socket, int(service) if service.isdigit() else 0),
                name=f"pings of {self._bot.name}",
            )
            try:
                while True:
                    async with asyncio.timeout(2 * self._ping_seconds + MARGIN_SECONDS):
                        message = await socket.receive()
                    if message.type is not aiohttp.WSMsgType.BINARY:
                        if message.type is aiohttp.WSMsgType.TEXT:
                            continue
                        return
                    self._bot.alive()
                    await self._handle(socket, message.data)
            finally:
                pinging.cancel()
                await asyncio.gather(pinging, return_exceptions=True)

    async def _handle(self, socket: aiohttp.ClientWebSocketResponse, data: bytes) -> None:
        frame = self._frame()
        try:
            frame.ParseFromString(data)
            headers = {header.key: header.value for header in frame.headers}
        except Exception as error:  # noqa: BLE001 - the library's decoder raises what it likes on a stranger's bytes
            self._bot.log.warning("a frame was not understood: %s", type(error).__name__)
            return
        if frame.method == CONTROL:
            if headers.get("type") == "pong" and frame.payload:
                self._configure(_object(frame.payload))
            return
        if headers.get("type") != "event":
            self._bot.log.warning("a frame of the kind %r is left alone", headers.get("type", "")[:40])
            return
        payload = self._parts.whole(headers, bytes(frame.payload))
        if payload is not None:
            await self._on_event(payload, _Acknowledge(socket, frame, time.monotonic()))

    async def _ping(self, socket: aiohttp.ClientWebSocketResponse, service: int) -> None:
        while True:
            frame = self._frame()
            frame.SeqID = frame.LogID = 0
            frame.service, frame.method = service, CONTROL
            header = frame.headers.add()
            header.key, header.value = "type", "ping"
            await socket.send_bytes(frame.SerializeToString())
            await asyncio.sleep(self._ping_seconds)

    def _configure(self, settings: Mapping[str, Any]) -> None:
        seconds = settings.get("PingInterval")
        if isinstance(seconds, int | float) and seconds > 0:
            self._ping_seconds = min(float(seconds), SLOWEST_PING)


class _Parts:
    """Events that come in several frames. Bounded: what stays incomplete is forgotten, and Lark sends it again."""

    def __init__(self) -> None:
        self._open: dict[str, tuple[float, dict[int, bytes]]] = {}

    def whole(self, headers: Mapping[str, str], payload: bytes) -> bytes | None:
        """The payload once every part of it was seen."""
        total, number = _number(headers.get("sum")), _number(headers.get("seq"))
        if total <= 1:
            return payload
        if total > MOST_PARTS or number >= total:
            return None
        now = time.monotonic()
        self._open = {key: kept for key, kept in self._open.items() if now - kept[0] < SPLIT_SECONDS}
        key = headers.get("message_id", "")
        if key not in self._open and len(self._open) >= MOST_SPLIT:
            return None
        _, parts = self._open.setdefault(key, (now, {}))
        parts[number] = payload
        if len(parts) < total:
            return None
        del self._open[key]
        return b"".join(parts[each] for each in range(total))


class _Acknowledge:
    def __init__(self, socket: aiohttp.ClientWebSocketResponse, frame: Any, began: float) -> None:
        self._socket = socket
        self._frame = frame
        self._began = began

    async def __call__(self) -> None:
        """A connection that is gone takes none: Lark sends the event again, and it is known then."""
        if self._socket.closed:
            return
        header = self._frame.headers.add()
        header.key, header.value = "biz_rt", str(round(1000 * (time.monotonic() - self._began)))
        self._frame.payload = b'{"code":200}'
        await self._socket.send_bytes(self._frame.SerializeToString())


def _number(text: str | None) -> int:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 6 else 0


def _object(data: bytes) -> dict[str, Any]:
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


_CLOSING = aiohttp.ClientWSTimeout(ws_close=2.0)
