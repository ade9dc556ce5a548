"""One WebSocket of one account: frames in, actions out, answers matched by echo."""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import aiohttp
from aiohttp import web
from jackfield_sdk import DeadlineExceeded, OutcomeUnknown, Overloaded, Unavailable

from jackfield_onebot.convert.values import well_formed
from jackfield_onebot.errors import error_of, succeeded

ACTION_SECONDS = 20.0
# Actions of one connection that wait for their answer.
MOST_WAITING = 1000
# A write that takes longer means a peer that reads no more.
WRITE_SECONDS = 10.0
SHOWN = 120

Receive = Callable[[dict[str, Any], bytes], None]
# Dialled by the implementation, or by us.
Socket = web.WebSocketResponse | aiohttp.ClientWebSocketResponse


class Actions(Protocol):
    """Runs actions: a connection, or requests."""

    async def call(
        self, action: str, params: Mapping[str, Any], timeout: float = ACTION_SECONDS, *, effect: bool = True
    ) -> Mapping[str, Any]:
        """Runs one action and returns the whole answer. Raises the error that the answer means."""

    async def close(self, code: int, reason: str) -> None:
        """Ends what lasts."""


class Connection:
    """`run` reads until the peer goes; `call` may be used meanwhile by anybody."""

    def __init__(self, socket: Socket, log: logging.LoggerAdapter[logging.Logger]) -> None:
        self._socket = socket
        self._log = log
        self._numbers = itertools.count(1)
        self._waiting: dict[str, asyncio.Future[Mapping[str, Any]]] = {}

    async def run(self, receive: Receive) -> None:
        """Hands every event frame with its bytes to `receive`; returns when the connection is over."""
        try:
            async for frame in self._socket:
                if frame.type not in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
                    self._log.warning("a OneBot connection failed: %r", self._socket.exception())
                    break
                data = frame.data.encode(errors="replace") if isinstance(frame.data, str) else frame.data
                self._frame(data, receive)
        finally:
            for waiting in self._waiting.values():
                if not waiting.done():
                    waiting.set_exception(OutcomeUnknown("the OneBot client left before it answered"))
            self._waiting.clear()

    async def call(
        self, action: str, params: Mapping[str, Any], timeout: float = ACTION_SECONDS, *, effect: bool = True
    ) -> Mapping[str, Any]:
        """Runs one action and returns the whole answer. Raises the error that the answer means.

        `effect` says what a lost answer means: an unknown outcome, or for a lookup a mere failure.
        """
        if len(self._waiting) >= MOST_WAITING:
            raise Overloaded(f"{MOST_WAITING} actions already wait for this OneBot client", retry_after=1.0)
        echo = f"jackfield-{next(self._numbers)}"
        answered: asyncio.Future[Mapping[str, Any]] = asyncio.get_running_loop().create_future()
        self._waiting[echo] = answered
        text = json.dumps({"action": action, "params": params, "echo": echo}, ensure_ascii=False)
        try:
            async with asyncio.timeout(max(0.0, min(timeout, ACTION_SECONDS))):
                await self._write(text)
                answer = await answered
        except TimeoutError:
            raise DeadlineExceeded(
                f"the OneBot client did not answer {action} in time", metadata={"action": action}
            ) from None
        except OutcomeUnknown:
            if effect:
                raise
            raise Unavailable(f"the OneBot client left before it answered {action}") from None
        finally:
            self._waiting.pop(echo, None)
        if not succeeded(answer):
            raise error_of(action, answer)
        return answer

    async def close(self, code: int, reason: str) -> None:
        """Ends the connection."""
        try:
            async with asyncio.timeout(WRITE_SECONDS):
                await self._socket.close(code=code, message=reason.encode())
        except TimeoutError:
            self._log.warning("a OneBot client did not take part in closing its connection")

    async def _write(self, text: str) -> None:
        try:
            await self._socket.send_str(text)
        except (ConnectionError, RuntimeError) as error:
            # aiohttp raises RuntimeError for a socket that is not open any more.
            raise Unavailable(f"the OneBot connection is closed: {error}") from error

    def _frame(self, data: bytes, receive: Receive) -> None:
        try:
            native = json.loads(data)
            if b"\\ud" in data.lower():
                native = well_formed(native)
        except (ValueError, RecursionError) as error:
            self._log.warning("ignored a frame that is no JSON (%s): %r", error, data[:SHOWN])
            return
        if not isinstance(native, dict):
            self._log.warning("ignored a frame that is no object: %r", data[:SHOWN])
        elif "post_type" in native:
            receive(native, data)
        else:
            self._answer(native)

    def _answer(self, native: dict[str, Any]) -> None:
        echo = native.get("echo")
        waiting = self._waiting.get(echo) if isinstance(echo, str) else None
        if waiting is None:
            self._log.info("ignored an answer that nobody waits for: echo %r", str(echo)[:SHOWN])
        elif not waiting.done():
            waiting.set_result(native)
