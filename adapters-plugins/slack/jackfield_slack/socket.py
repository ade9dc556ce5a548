"""Socket Mode: one WebSocket, opened anew whenever Slack or the network ends it, until it is cancelled.

Envelopes are handed on in order; each is acknowledged by whoever made it durable. Slack gives three seconds, and sends what was not
acknowledged again on another connection.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
from jackfield_sdk import AuthExpired, Bot, BotState, JackfieldError, PermissionDenied, RateLimited

from jackfield_slack.web import Web

PING_SECONDS = 10.0
SILENCE_SECONDS = 30.0
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 30.0
FATAL = (AuthExpired, PermissionDenied)

Acknowledge = Callable[[], Awaitable[None]]
OnEnvelope = Callable[[dict[str, Any], Acknowledge], Awaitable[None]]


class SocketMode:
    """One bot's socket."""

    def __init__(
        self,
        bot: Bot,
        web: Web,
        app_token: str,
        http: aiohttp.ClientSession,
        on_envelope: OnEnvelope,
        on_connected: Callable[[], None],
    ) -> None:
        self._bot = bot
        self._web = web
        self._app_token = app_token
        self._http = http
        self._on_envelope = on_envelope
        self._on_connected = on_connected
        self.connections = 0

    async def first_address(self) -> str:
        """Asks for a socket, so that a refused token is told at once. Raises typed errors."""
        return await self._web.open_socket(self._app_token)

    async def run(self, url: str) -> None:
        """Until cancelled. `url` is the address of the first socket."""
        pause = FIRST_PAUSE
        address: str | None = url
        while True:
            try:
                address = address or await self._web.open_socket(self._app_token)
                greeted = await self._talk(address)
                pause = FIRST_PAUSE if greeted else pause
            except FATAL as error:
                # Slack's word on the token: the kernel decides when it is tried again.
                self._bot.state(BotState.FAILED, error)
                pause = LONGEST_PAUSE
            except (JackfieldError, aiohttp.ClientError, OSError, TimeoutError) as error:
                self._bot.log.info("the socket ended: %s", type(error).__name__)
                self._bot.state(BotState.CONNECTING, f"not connected to Slack: {_words(error)}")
                if isinstance(error, RateLimited):
                    pause = max(pause, error.retry_after or 0.0)
            address = None
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))
            pause = min(2 * pause, LONGEST_PAUSE)

    async def _talk(self, url: str) -> bool:
        """One connection until it ends; True when Slack greeted."""
        greeted = False
        async with self._http.ws_connect(
            url, autoping=False, max_msg_size=8 << 20, timeout=_CLOSING
        ) as socket:
            pinging = asyncio.create_task(_ping(socket), name=f"pings of {self._bot.name}")
            try:
                while True:
                    async with asyncio.timeout(SILENCE_SECONDS):
                        message = await socket.receive()
                    if message.type in (aiohttp.WSMsgType.PING, aiohttp.WSMsgType.PONG):
                        self._bot.alive()
                        if message.type is aiohttp.WSMsgType.PING:
                            await socket.pong(message.data)
                        continue
                    if message.type is not aiohttp.WSMsgType.TEXT:
                        return greeted
                    self._bot.alive()
                    frame = _object(message.data)
                    kind = frame.get("type")
                    if kind == "hello":
                        greeted = True
                        self.connections += 1
                        self._bot.state(BotState.ACTIVE)
                        self._on_connected()
                    elif kind == "disconnect":
                        # Announced: too old, or Slack is restarting. What it did not get acknowledged comes again.
                        return greeted
                    elif isinstance(frame.get("envelope_id"), str):
                        await self._on_envelope(frame, _Acknowledge(socket, frame["envelope_id"]))
                    else:
                        self._bot.log.warning("a frame of the kind %r was not understood", str(kind)[:40])
            finally:
                pinging.cancel()
                await asyncio.gather(pinging, return_exceptions=True)


class _Acknowledge:
    def __init__(self, socket: aiohttp.ClientWebSocketResponse, envelope_id: str) -> None:
        self._socket = socket
        self._envelope_id = envelope_id

    async def __call__(self) -> None:
        """A socket that is gone takes none: Slack sends it again, and it is known then."""
        if not self._socket.closed:
            await self._socket.send_json({"envelope_id": self._envelope_id})


async def _ping(socket: aiohttp.ClientWebSocketResponse) -> None:
    while True:
        await asyncio.sleep(PING_SECONDS)
        await socket.ping(b"jackfield")


def _object(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _words(error: BaseException) -> str:
    return error.message if isinstance(error, JackfieldError) else type(error).__name__


_CLOSING = aiohttp.ClientWSTimeout(ws_close=2.0)
