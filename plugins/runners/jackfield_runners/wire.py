"""HTTP with bounds: how long the other side may be silent, how much it may say, and what its refusals are called here."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx2
from jackfield_sdk import (
    AuthExpired,
    ContentTooLarge,
    DeadlineExceeded,
    InvalidArgument,
    JackfieldError,
    NotFound,
    PlatformError,
    RateLimited,
    Unavailable,
)

from jackfield_runners.settings import Settings

CONNECT_SECONDS = 10.0
LARGEST_ANSWER = 16 * 1024 * 1024
LARGEST_REFUSAL = 4096
LONGEST_WAIT = 3600.0
SHOWN = 300


class Wire:
    """Speaks for one question. `clock` in seconds.

    Raises, wherever something is awaited: Unavailable that is retryable where nothing was asked, DeadlineExceeded and
    Unavailable that are not where the other side may have begun, and what a refusal says.
    """

    def __init__(
        self, client: httpx2.AsyncClient, settings: Settings, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._client = client
        self._settings = settings
        self._clock = clock
        self._ends = clock() + settings.max_seconds

    @contextlib.asynccontextmanager
    async def asked(self, method: str, url: str, **request: Any) -> AsyncIterator[Answering]:
        """Sends a request; the block reads the answer."""
        settings = self._settings
        opening = self._client.stream(method, url, **request)
        try:
            response = await self.within(opening.__aenter__(), settings.first_seconds)
        except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
            raise Unavailable(f"{host(url)} cannot be reached: {_cause(error)}") from error
        except (httpx2.InvalidURL, httpx2.LocalProtocolError, ValueError) as error:
            raise InvalidArgument(f"the request cannot be sent: {type(error).__name__}") from error
        except httpx2.HTTPError as error:
            raise broken(error) from error
        try:
            answering = Answering(self, response, settings)
            if not response.is_success:
                raise refusal(response, await answering.refusal(), settings.key)
            yield answering
        finally:
            # An answer that is left early, or that nobody will end, must not hold the connection.
            await opening.__aexit__(None, None, None)

    async def within(self, waiting: Any, seconds: float) -> Any:
        """Waits for so long, and never past the end of all."""
        left = self._ends - self._clock()
        try:
            async with asyncio.timeout(max(0.0, min(seconds, left))):
                return await waiting
        except TimeoutError:
            if left <= seconds:
                text = f"the answer was not whole after {self._settings.max_seconds:g} s"
            else:
                text = f"nothing came for {seconds:g} s"
            raise DeadlineExceeded(text, retryable=False) from None


class Answering:
    """An answer while it comes."""

    def __init__(self, wire: Wire, response: httpx2.Response, settings: Settings) -> None:
        self._wire = wire
        self._settings = settings
        self.response = response

    async def chunks(self) -> AsyncIterator[bytes]:
        """Its bytes. The reader's time is not the other side's."""
        size = 0
        seconds = self._settings.first_seconds
        stream = self.response.aiter_bytes()
        while True:
            try:
                chunk = await self._wire.within(anext(stream, None), seconds)
            except httpx2.HTTPError as error:
                raise broken(error) from error
            if chunk is None:
                return
            size += len(chunk)
            if size > LARGEST_ANSWER:
                raise PlatformError(f"the answer is above {LARGEST_ANSWER} bytes")
            yield chunk
            seconds = self._settings.idle_seconds

    async def read(self, largest: int = LARGEST_ANSWER) -> bytes:
        """All of it. Raises ContentTooLarge above `largest` bytes."""
        data = bytearray()
        async for chunk in self.chunks():
            data += chunk
            if len(data) > largest:
                raise ContentTooLarge(f"the answer is above {largest} bytes")
        return bytes(data)

    async def refusal(self) -> str:
        """The beginning of what a refusal says; a server that stalls there says nothing."""
        data = bytearray()
        with contextlib.suppress(JackfieldError):
            async for chunk in self.chunks():
                data += chunk
                if len(data) > LARGEST_REFUSAL:
                    break
        return bytes(data[:LARGEST_REFUSAL]).decode(errors="replace")


def client() -> httpx2.AsyncClient:
    """A client for all questions. Redirects would carry keys to wherever a server points."""
    timeout = httpx2.Timeout(None, connect=CONNECT_SECONDS)
    return httpx2.AsyncClient(timeout=timeout, follow_redirects=False, verify=ssl.create_default_context())


def host(url: str) -> str:
    """The server of an address; the rest may hold a secret path."""
    return httpx2.URL(url).host


def broken(error: Exception) -> JackfieldError:
    """The connection ended in the middle: what was asked may have been done."""
    return Unavailable(f"the answer broke off: {_cause(error)}", retryable=False)


def refusal(response: httpx2.Response, text: str, secret: str) -> JackfieldError:
    """What an HTTP status means. The answer's own words are for the operator, without the key."""
    status = response.status_code
    words = shown(text, secret)
    metadata = {"platform_code": str(status)}
    said = f"{response.request.url.host} answered {status}: {words}"
    if status in (401, 403):
        return AuthExpired(said, remedy="Set a valid key in the plugin's keys.", metadata=metadata)
    if status == 404:
        return NotFound(said, remedy="Look at url, and whether it is published there.", metadata=metadata)
    if status == 413:
        return ContentTooLarge(said, metadata=metadata)
    if status == 429:
        return RateLimited(retry_after(response), said, metadata=metadata)
    if status in (400, 422):
        return InvalidArgument(said, metadata=metadata)
    if status in (502, 503):
        # The gateway had nobody to hand it to.
        return Unavailable(said, metadata=metadata)
    if 300 <= status < 400:
        return PlatformError(
            said, remedy="It points elsewhere, which is not followed: put that address into url."
        )
    return PlatformError(said, metadata=metadata)


def shown(text: str, secret: str) -> str:
    """Words of the other side, fit for a log."""
    if len(secret) > 3:
        text = text.replace(secret, "[key]")
    return " ".join(text.split())[:SHOWN] or "no reason given"


def retry_after(response: httpx2.Response) -> float:
    """Seconds to wait, between 0 and an hour; 1 where it does not say."""
    try:
        seconds = float(response.headers.get("retry-after", ""))
    except ValueError:
        return 1.0
    return min(seconds, LONGEST_WAIT) if seconds >= 0 else 1.0


def _cause(error: Exception) -> str:
    return type(error.__cause__ or error).__name__
