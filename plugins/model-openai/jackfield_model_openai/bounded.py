"""A transport that reads no more than it should: an answer without an end must not fill the memory."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx2
from jackfield_sdk import PlatformError

LARGEST_ANSWER = 16 * 1024 * 1024


class BoundedTransport(httpx2.AsyncHTTPTransport):
    """As its base, with a bound on the bytes of every answer. Redirects are not followed by the client that uses it."""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Counts what the answer brings."""
        response = await super().handle_async_request(request)
        if isinstance(response.stream, httpx2.AsyncByteStream):
            response.stream = _Bounded(response.stream)
        return response


class _Bounded(httpx2.AsyncByteStream):
    def __init__(self, stream: httpx2.AsyncByteStream) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for chunk in self._stream:
            size += len(chunk)
            if size > LARGEST_ANSWER:
                raise PlatformError(f"the provider's answer is above {LARGEST_ANSWER} bytes")
            yield chunk

    async def aclose(self) -> None:
        await self._stream.aclose()
