"""The kernel's only HTTP: /metrics, /healthz and /readyz.

A server of its own, because three GET routes do not justify what an HTTP framework costs in memory and start
time. It reads a bounded request in bounded time, never a body, and closes after each answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Protocol, Self

from jackfield.v1 import error_pb2

from ..config import Metrics as Settings
from ..errors import problem
from .metrics import CONTENT_TYPE
from .ports import port_holder

log = logging.getLogger(__name__)

RETRY_SECONDS = 5.0
REQUEST_SECONDS = 5.0
MAX_REQUEST = 8 << 10
MAX_CONNECTIONS = 64

_JSON = "application/json"
_PHRASES = {
    200: "OK",
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    503: "Service Unavailable",
}
_LOOPBACK = ("127.0.0.1", "::1", "localhost")


@dataclass(frozen=True)
class Health:
    """How the kernel is. `alive`: it works and its journal takes records. `ready`: it has settled."""

    alive: bool
    ready: bool
    detail: Mapping[str, Any] = field(default_factory=dict)
    """Shown as JSON by /readyz: the state of each plugin, and what is wrong."""


class Figures(Protocol):
    """Where /metrics comes from."""

    def render(self) -> bytes:
        """Prometheus' text format."""
        ...


class HealthServer:
    """Serves while its context is open. A taken port stops nothing: it is `problem` until a retry gets it."""

    def __init__(self, settings: Settings, figures: Figures, health: Callable[[], Health]) -> None:
        self._settings = settings
        self._figures = figures
        self._health = health
        self._servers: list[asyncio.Server] = []
        self._connections: set[asyncio.Task[None]] = set()
        self._retry: asyncio.Task[None] | None = None
        self.host = settings.host
        self.port = 0
        """The port in use; 0 while there is none."""
        self.problem: error_pb2.Error | None = None
        """Why nothing is served, for the status; None when all is well or nothing is configured."""

    async def __aenter__(self) -> Self:
        if self._settings.enabled and not await self._open():
            self._retry = asyncio.create_task(self._until_open(), name="health server")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        tasks = [*self._connections, *([self._retry] if self._retry else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for server in self._servers:
            server.close()
            await server.wait_closed()
        self._servers.clear()
        self.port = 0

    async def _until_open(self) -> None:
        while True:
            await asyncio.sleep(RETRY_SECONDS)
            if await self._open():
                log.info("metrics and health are served on port %d now", self.port)
                return

    async def _open(self) -> bool:
        host, port = self._settings.host, self._settings.port
        hosts = ("127.0.0.1", "::1") if host in _LOOPBACK else (host,)
        for one in hosts:
            try:
                server = await asyncio.start_server(self._connected, one, port, limit=MAX_REQUEST)
            except OSError as error:
                if self._servers and error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                    continue  # A machine without IPv6.
                for opened in self._servers:
                    opened.close()
                self._servers.clear()
                await self._refused(one, port, error)
                return False
            self._servers.append(server)
            port = server.sockets[0].getsockname()[1]
        self.port, self.problem = port, None
        return True

    async def _refused(self, host: str, port: int, error: OSError) -> None:
        cause, remedy = str(error.strerror or error), "Change metrics.host or metrics.port in jackfield.yaml."
        metadata = {"port": str(port)}
        if error.errno == errno.EADDRINUSE:
            holder = await asyncio.to_thread(port_holder, port)
            cause = f"the port is held by {holder or 'another process'}"
            remedy = (
                "Stop it, or set metrics.port in jackfield.yaml (JACKFIELD_METRICS__PORT) to a free port."
            )
            if holder and holder.pid:
                metadata["pid"] = str(holder.pid)
        fresh = problem(
            "UNAVAILABLE",
            f"Metrics and health cannot listen on {host}:{port}: {cause}.",
            remedy=remedy,
            **metadata,
        )
        if fresh != self.problem:
            log.warning(fresh.message, extra={"reason": fresh.reason, "remedy": remedy})
        self.problem = fresh

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            if len(self._connections) <= MAX_CONNECTIONS:
                async with asyncio.timeout(REQUEST_SECONDS):
                    head = await reader.readuntil(b"\r\n\r\n")
                    writer.write(self._answer(head))
                    await writer.drain()
        except (
            TimeoutError,
            ConnectionError,
            asyncio.IncompleteReadError,
            asyncio.LimitOverrunError,
        ) as error:
            log.debug("request to the health server dropped: %r", error)
        finally:
            self._connections.discard(task)
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    def _answer(self, head: bytes) -> bytes:
        parts = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ")
        if len(parts) != 3 or not parts[2].startswith("HTTP/1."):
            return _response(400, "text/plain", b"not an HTTP/1 request\n")
        method, path = parts[0], parts[1].partition("?")[0]
        if method not in ("GET", "HEAD"):
            return _response(405, "text/plain", b"GET only\n", "Allow: GET, HEAD\r\n")
        if path == "/metrics":
            answer = (200, CONTENT_TYPE, self._figures.render())
        elif path == "/healthz":
            health = self._health()
            answer = (200 if health.alive else 503, _JSON, _json({"alive": health.alive}))
        elif path == "/readyz":
            health = self._health()
            ready = health.alive and health.ready
            answer = (200 if ready else 503, _JSON, _json({"ready": ready, **health.detail}))
        else:
            answer = (404, "text/plain", b"/metrics /healthz /readyz\n")
        return _response(*answer, bodiless=method == "HEAD")


def _response(code: int, kind: str, body: bytes, headers: str = "", *, bodiless: bool = False) -> bytes:
    head = (
        f"HTTP/1.1 {code} {_PHRASES[code]}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
        f"Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nConnection: close\r\n{headers}\r\n"
    )
    return head.encode("latin-1") + (b"" if bodiless else body)


def _json(value: object) -> bytes:
    return json.dumps(value, default=str).encode() + b"\n"
