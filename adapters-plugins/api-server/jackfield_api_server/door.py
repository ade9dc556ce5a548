"""The listening side, with a bound on connections."""

from __future__ import annotations

import asyncio
import socket
from typing import cast

from aiohttp import web

MAX_CONNECTIONS = 512


class _Refusal(asyncio.Protocol):
    """A connection too many."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast(asyncio.Transport, transport).abort()


class Door:
    """Takes connections for an application. A connection above the bound is cut at once, before it costs anything."""

    def __init__(self, runner: web.AppRunner, limit: int = MAX_CONNECTIONS) -> None:
        self._runner = runner
        self._limit = limit
        self._servers: list[asyncio.Server] = []

    async def open(self, sockets: list[socket.socket]) -> None:
        """Begins to take connections."""
        loop = asyncio.get_running_loop()
        for opened in sockets:
            self._servers.append(await loop.create_server(self._protocol, sock=opened))

    def _protocol(self) -> asyncio.Protocol:
        server = self._runner.server
        if server is None or len(server.connections) >= self._limit:
            return _Refusal()
        return server()

    def stop_listening(self) -> None:
        """Takes no further connection; those that are open go on."""
        for server in self._servers:
            server.close()

    async def close(self) -> None:
        """Ends, with every connection."""
        self.stop_listening()
        await self._runner.cleanup()
