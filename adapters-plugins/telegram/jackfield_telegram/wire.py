"""Requests to the Bot API through python-telegram-bot, with answers as plain JSON.

Answers stay JSON: one object that the library cannot read would otherwise block the queue of updates, and newer fields would be lost.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import httpx
from jackfield_sdk import ContentTooLarge, JackfieldError, NotFound, PlatformError, Unavailable
from telegram import Bot as LibraryBot
from telegram.error import TelegramError
from telegram.request import HTTPXRequest, RequestData

from jackfield_telegram.convert.values import table, well_formed
from jackfield_telegram.errors import Refusal, error_of, failure_of, redacted

API = "https://api.telegram.org"
REQUEST_SECONDS = 20.0
# Connections of one bot; more requests wait.
CONNECTIONS = 16
CHUNK = 64 * 1024
# What the public Bot API server hands out at most.
LARGEST_DOWNLOAD = 20 << 20
# Methods that change nothing: without an answer they may simply be called again.
_READS = ("get",)


class Request(HTTPXRequest):
    """Requests whose refusals keep code and parameters."""

    async def do_request(
        self,
        url: str,
        method: str,
        request_data: RequestData | None = None,
        read_timeout: Any = HTTPXRequest.DEFAULT_NONE,
        write_timeout: Any = HTTPXRequest.DEFAULT_NONE,
        connect_timeout: Any = HTTPXRequest.DEFAULT_NONE,
        pool_timeout: Any = HTTPXRequest.DEFAULT_NONE,
    ) -> tuple[int, bytes]:
        """As the library, but raises Refusal for every answer other than 2xx."""
        code, payload = await super().do_request(
            url, method, request_data, read_timeout, write_timeout, connect_timeout, pool_timeout
        )
        if 200 <= code <= 299:
            return code, payload
        try:
            answer: Any = self.parse_json_payload(payload)
        except TelegramError:
            answer = {}
        answer = table(answer)
        parameters = answer.get("parameters")
        description = answer.get("description")
        raise Refusal(
            code,
            description if isinstance(description, str) else "",
            parameters if isinstance(parameters, dict) else {},
        )

    @staticmethod
    def parse_json_payload(payload: bytes) -> dict[str, Any]:
        """As the library, without writing what is no JSON into the log."""
        try:
            answer: dict[str, Any] = httpx.Response(200, content=payload).json()
        except (ValueError, RecursionError) as error:
            raise TelegramError("the answer is no JSON") from error
        return answer


class _Raw(LibraryBot):
    """The library's bot with its answers unparsed."""

    async def raw(self, method: str, parameters: dict[str, Any], read_timeout: float) -> Any:
        given = {key: value for key, value in parameters.items() if value is not None}
        return await self._do_post(method, given, read_timeout=read_timeout)


class Api:
    """The Bot API for one token."""

    def __init__(self, token: str, base_url: str = API) -> None:
        # httpx writes every address into its log, and the address holds the token.
        for name in ("httpx", "httpcore"):
            logging.getLogger(name).setLevel(logging.WARNING)
        base = base_url.rstrip("/")
        self._files = f"{base}/file/bot{token}"
        self._request = Request(CONNECTIONS, pool_timeout=REQUEST_SECONDS, connect_timeout=10.0)
        self._polling = Request(1, pool_timeout=1.0, connect_timeout=10.0)
        self._bot = _Raw(token, f"{base}/bot", request=self._request, get_updates_request=self._polling)
        self._downloads = httpx.AsyncClient(timeout=REQUEST_SECONDS)

    async def close(self) -> None:
        """Closes all connections."""
        await asyncio.gather(self._request.shutdown(), self._polling.shutdown(), self._downloads.aclose())

    async def call(self, method: str, timeout: float = REQUEST_SECONDS, /, **parameters: Any) -> Any:
        """The result of a method. Raises the typed error of a refusal; follows a group that moved, once."""
        try:
            return await self._call(method, timeout, parameters)
        except Refusal as refusal:
            moved = refusal.parameters.get("migrate_to_chat_id")
            if not isinstance(moved, int) or "chat_id" not in parameters:
                raise error_of(method, refusal) from None
        try:
            return await self._call(method, timeout, {**parameters, "chat_id": moved})
        except Refusal as refusal:
            raise error_of(method, refusal) from None

    async def _call(self, method: str, timeout: float, parameters: dict[str, Any]) -> Any:
        try:
            answer = await self._bot.raw(method, parameters, max(1.0, timeout))
        except Refusal:
            raise
        except TelegramError as error:
            raise failure_of(method, error, effect=not method.startswith(_READS)) from None
        except (KeyError, TypeError, ValueError, RecursionError) as error:
            # A 200 without `result`, or one too deep to read.
            raise PlatformError(
                f"Telegram's answer to {method} cannot be read: {type(error).__name__}",
                metadata={"action": method},
            ) from None
        return well_formed(answer)

    async def download(self, path: str, max_bytes: int) -> AsyncIterator[bytes]:
        """The bytes of a file in chunks. Raises ContentTooLarge, NotFound, Unavailable; no error names the token."""
        problem: JackfieldError | None = None
        try:
            async with self._downloads.stream("GET", f"{self._files}/{path}") as response:
                if response.status_code == 404:
                    raise NotFound("Telegram has no such file any more")
                if response.status_code != 200:
                    raise Unavailable(f"Telegram refused the file with {response.status_code}")
                size = 0
                async for chunk in response.aiter_bytes(CHUNK):
                    size += len(chunk)
                    if size > max_bytes:
                        raise ContentTooLarge(f"the file is larger than {max_bytes} bytes")
                    yield chunk
        except httpx.HTTPError as error:
            problem = Unavailable(f"the file did not arrive: {redacted(str(error))}")
        if problem is not None:
            raise problem
