"""How a server is reached, with bounds on what it may send."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import httpx2
from mcp.client._transport import TransportStreams
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client

from jackfield_mcp.settings import Server
from jackfield_mcp.stdio import Say, stdio

LARGEST_BODY = 16 * 1024 * 1024
# A stream of events may stay open for as long as it likes, its events are bounded by the library.
_STREAM = "text/event-stream"


class BodyTooLarge(Exception):
    """The server sent more than it may."""


class _BoundedStream(httpx2.AsyncByteStream):
    def __init__(self, stream: Any) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for chunk in self._stream:
            size += len(chunk)
            if size > LARGEST_BODY:
                raise BodyTooLarge(f"it sent a body above {LARGEST_BODY >> 20} MiB")
            yield chunk

    async def aclose(self) -> None:
        """As the stream inside."""
        await self._stream.aclose()


class _Bounded(httpx2.AsyncHTTPTransport):
    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        response = await super().handle_async_request(request)
        if not response.headers.get("content-type", "").startswith(_STREAM):
            response.stream = _BoundedStream(response.stream)
        return response


@contextlib.asynccontextmanager
async def reached(server: Server, ended: Say, said: Say) -> AsyncIterator[TransportStreams]:
    """The streams of a session with the server."""
    if server.command:
        async with stdio(server, ended, said) as streams:
            yield streams
    elif server.transport == "sse":
        async with sse_client(
            server.url, timeout=server.connect_seconds, httpx_client_factory=lambda *_, **__: _http(server)
        ) as streams:
            yield streams
    else:
        async with _http(server) as client, streamable_http_client(server.url, http_client=client) as streams:
            yield streams


def _http(server: Server) -> httpx2.AsyncClient:
    timeout = httpx2.Timeout(server.connect_seconds, read=max(server.call_seconds, 300.0))
    return httpx2.AsyncClient(headers=dict(server.headers), timeout=timeout, transport=_Bounded())
