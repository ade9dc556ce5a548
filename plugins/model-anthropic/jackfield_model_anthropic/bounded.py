"""Bytes of an answer are counted: a provider without an end must fill neither memory nor time."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx2
from jackfield_sdk import PlatformError

MOST_BYTES = 16 * 1024 * 1024
# The client copies all of an unfinished event at each line that comes: many lines stop the whole plugin for seconds. A real
# event has two.
MOST_EVENT_BYTES = 1024 * 1024
MOST_EVENT_LINES = 1000
_ENDS = (b"\n\n", b"\r\r", b"\r\n\r\n")


class CountingTransport(httpx2.AsyncHTTPTransport):
    """The ordinary transport; an answer above `MOST_BYTES`, or an event in it above `MOST_EVENT_BYTES` or `MOST_EVENT_LINES`, raises
    PlatformError while it is read. So does a packed answer: what it unpacks to is not counted here."""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Sends, and puts the counter around what comes back."""
        request.headers["accept-encoding"] = "identity"
        response = await super().handle_async_request(request)
        if response.headers.get("content-encoding", "identity") != "identity":
            await response.aclose()
            raise PlatformError("the provider packed its answer although it was asked not to")
        assert isinstance(response.stream, httpx2.AsyncByteStream)
        response.stream = _Counted(response.stream)
        return response


class _Counted(httpx2.AsyncByteStream):
    def __init__(self, inner: httpx2.AsyncByteStream) -> None:
        self._inner = inner
        self._read = 0
        self._bytes = 0
        self._lines = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        tail = b""
        async for piece in self._inner:
            seen = tail + piece
            end = max(seen.rfind(mark) for mark in _ENDS)
            if end >= 0:
                self._bytes = self._lines = 0
            begun = seen[end:] if end >= 0 else piece
            self._read += len(piece)
            self._bytes += len(begun)
            self._lines += begun.count(b"\n") + begun.count(b"\r")
            for size, most, unit in (
                (self._read, MOST_BYTES, "bytes"),
                (self._bytes, MOST_EVENT_BYTES, "bytes in one event"),
                (self._lines, MOST_EVENT_LINES, "lines in one event"),
            ):
                if size > most:
                    raise PlatformError(f"the provider's answer is above {most} {unit}")
            tail = seen[-3:]
            yield piece

    async def aclose(self) -> None:
        await self._inner.aclose()
