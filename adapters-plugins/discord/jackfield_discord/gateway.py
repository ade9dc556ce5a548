"""The gateway: discord.py's socket without its objects. It identifies, beats and resumes; frames are handed on as they came."""

from __future__ import annotations

import asyncio
import logging
import random
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import yarl
from discord import Intents
from discord.errors import ConnectionClosed
from discord.gateway import DiscordClientWebSocketResponse, DiscordWebSocket, ReconnectWebSocket
from jackfield_sdk import JackfieldError, Unavailable

from jackfield_discord.checkpoint import Checkpoint
from jackfield_discord.errors import closed
from jackfield_discord.rest import USER_AGENT

Sleep = Callable[[float], Awaitable[Any]]
# Seconds of silence, heartbeat acknowledgements included, after which the socket is given up.
SILENCE_SECONDS = 60.0
FIRST_WAIT, LONGEST_WAIT = 1.0, 60.0
# Discord allows one IDENTIFY in so many seconds.
IDENTIFY_SECONDS = 5.0


class _State:
    """What the socket reads of the library's connection state. No parser: nothing is built, cached or waited for."""

    def __init__(
        self, intents: Intents, silence: float, before_identify: Callable[[], Awaitable[None]]
    ) -> None:
        self.parsers: dict[str, Any] = {}
        self.shard_count = None
        self.heartbeat_timeout = silence
        self._activity = None
        self._status = None
        self._intents = intents
        self._before_identify = before_identify

    async def call_hooks(self, name: str, *args: object, **options: object) -> None:
        await self._before_identify()

    def _update_references(self, socket: DiscordWebSocket) -> None:
        """No cached object refers to a socket."""


class _Http:
    """What the socket reads of the library's HTTP client."""

    def __init__(self, token: str) -> None:
        self.token = token
        self.session: aiohttp.ClientSession | None = None

    async def ws_connect(self, url: str) -> aiohttp.ClientWebSocketResponse:
        if self.session is None:
            self.session = aiohttp.ClientSession(
                ws_response_class=DiscordClientWebSocketResponse, cookie_jar=aiohttp.DummyCookieJar()
            )
        return await self.session.ws_connect(
            url,
            max_msg_size=0,
            autoclose=False,
            timeout=aiohttp.ClientWSTimeout(ws_close=2.0),
            headers={"User-Agent": USER_AGENT},
        )

    async def close(self) -> None:
        if self.session is not None:
            await self.session.close()


class Gateway:
    """One bot's connection. `run` ends only by an error that cannot be mended, or by being cancelled.

    `heard` is called at each sign of life, `frame` with the text of each dispatch, in order; `lost` when the connection went.
    """

    def __init__(
        self,
        token: str,
        intents: Intents,
        *,
        entrance: Callable[[], Awaitable[str]],
        frame: Callable[[str], Awaitable[None]],
        heard: Callable[[], None],
        lost: Callable[[JackfieldError], None],
        log: logging.Logger | logging.LoggerAdapter[logging.Logger],
        sleep: Sleep = asyncio.sleep,
        silence: float = SILENCE_SECONDS,
    ) -> None:
        self._entrance = entrance
        self._frame = frame
        self._heard = heard
        self._lost = lost
        self._log = log
        self._sleep = sleep
        self._arrived: deque[str] = deque()
        self._identified = False
        # The names are those that the library's socket asks its client for.
        self.loop = asyncio.get_running_loop()
        self.http = _Http(token)
        self._connection = _State(intents, silence, self._before_identify)
        self._enable_debug_events = True

    def dispatch(self, event: str, *args: Any) -> None:
        """Called by the socket before it reads a frame itself."""
        if event == "socket_raw_receive":
            self._arrived.append(args[0])

    async def run(self, resume: Checkpoint) -> None:
        """Connects, and again after every loss, with the session as long as Discord keeps it. Raises JackfieldError for good."""
        session, sequence, url = resume.session, resume.sequence, resume.url
        wait = FIRST_WAIT
        while True:
            socket: DiscordWebSocket | None = None
            received = False
            try:
                goes_on = bool(session and sequence and url)
                where = yarl.URL(url if goes_on else await self._entrance())
                socket = await DiscordWebSocket.from_client(
                    self,  # type: ignore[arg-type]
                    gateway=where,
                    session=session or None,
                    sequence=sequence or None,
                    resume=goes_on,
                )
                await self._hand_on()
                while True:
                    try:
                        await socket.poll_event()
                    finally:
                        received = await self._hand_on() or received
            except ReconnectWebSocket as error:
                if not error.resume:
                    session, sequence, url = "", 0, ""
                problem: JackfieldError = Unavailable("the gateway asked for a new connection")
            except ConnectionClosed as error:
                if error.code != 1000:
                    raise closed(error.code) from None
                problem = Unavailable("the gateway closed the connection")
            except JackfieldError as error:
                if not error.retryable:
                    raise
                problem = error
            except (OSError, aiohttp.ClientError, TimeoutError) as error:
                problem = Unavailable(f"the gateway cannot be reached: {type(error).__name__}")
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                # A frame that the socket itself cannot read; the session tells what comes after it.
                self._log.error("a frame of the gateway cannot be read: %s", type(error).__name__)
                problem = Unavailable("a frame of the gateway cannot be read")
            finally:
                if socket is not None:
                    session, sequence, url = _kept(socket, session, sequence, url)
                    await _put_down(socket)
            self._arrived.clear()
            self._lost(problem)
            wait = FIRST_WAIT if received else min(wait * 2, LONGEST_WAIT)
            await self._sleep(max(problem.retry_after or 0.0, wait * random.uniform(0.5, 1.0)))

    async def close(self) -> None:
        """After `run` was cancelled."""
        await self.http.close()

    async def _before_identify(self) -> None:
        if self._identified:
            await self._sleep(IDENTIFY_SECONDS)
        self._identified = True

    async def _hand_on(self) -> bool:
        """True when a dispatch was among what arrived."""
        received = False
        while self._arrived:
            text = self._arrived.popleft()
            self._heard()
            # Heartbeat acknowledgements and the like are the socket's own business.
            if '"op":0' in text or '"op": 0' in text:
                received = True
                await self._frame(text)
        return received


def _kept(socket: DiscordWebSocket, session: str, sequence: int, url: str) -> tuple[str, int, str]:
    """The session as the socket knows it; it forgets an invalid one."""
    if socket.session_id is None:
        return "", 0, ""
    where = str(socket.gateway) if socket.session_id != session else url
    return socket.session_id, socket.sequence or sequence, where


async def _put_down(socket: DiscordWebSocket) -> None:
    """Stops the socket's heart and closes it so that the session can be resumed."""
    if socket._keep_alive is not None:
        socket._keep_alive.stop()
        socket._keep_alive = None
    if not socket.socket.closed:
        await socket.socket.close(code=4000)
