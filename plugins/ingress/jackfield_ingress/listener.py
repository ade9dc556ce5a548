"""The open port: sockets, TLS, and the address that it is reached at. It opens with the first route, not before."""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from aiohttp import web
from jackfield_sdk import PluginContext, Unavailable
from jackfield_sdk.listening import listen

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class Listener:
    """Closed until `open` succeeds."""

    def __init__(self, context: PluginContext, config: Mapping[str, Any]) -> None:
        self._context = context
        self._host = str(config.get("host") or "localhost")
        self._port = int(config.get("port", 8423))
        self._files = tuple(str(config.get(key) or "") for key in ("tls_certificate", "tls_key"))
        self._tls: ssl.SSLContext | None = None
        self._read_at: tuple[int, ...] = ()
        self._runner: web.ServerRunner | None = None
        self.url = ""

    @property
    def is_open(self) -> bool:
        """Whether requests are taken."""
        return self._runner is not None

    async def open(self, handler: Handler) -> None:
        """Opens the port. Raises Unavailable with who holds it, or what is wrong with the certificate."""
        self._tls = self._certificate()
        sockets = listen([self._host], self._port, plugin="ingress", successor=self._context.successor)
        # Signatures are over the bytes as sent: nothing may unpack them.
        server = web.Server(handler, auto_decompress=False, access_log=None)
        runner = web.ServerRunner(server)
        await runner.setup()
        for bound in sockets:
            await web.SockSite(runner, bound, ssl_context=self._tls).start()
        self._runner = runner
        host, port = sockets[0].getsockname()[:2]
        shown = "localhost" if self._host == "localhost" else f"[{host}]" if ":" in host else host
        self.url = f"{'https' if self._tls else 'http'}://{shown}:{port}"

    async def close(self) -> None:
        """Takes no more requests, and ends when those at hand are answered."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def renew(self) -> None:
        """Reads a certificate that changed on disk; connections made from now on get it. Raises Unavailable."""
        if self._tls is not None and self._seen() != self._read_at:
            self._load(self._tls)

    def _certificate(self) -> ssl.SSLContext | None:
        if not any(self._files):
            return None
        if not all(self._files):
            raise Unavailable("one of tls_certificate and tls_key is missing", remedy="Set both, or neither.")
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        self._load(context)
        return context

    def _load(self, context: ssl.SSLContext) -> None:
        seen = self._seen()
        try:
            context.load_cert_chain(*self._files)
        except (OSError, ssl.SSLError) as error:
            raise Unavailable(
                f"the certificate cannot be read: {error.strerror or error}",
                remedy="tls_certificate and tls_key name PEM files of one pair that this plugin may read.",
            ) from error
        self._read_at = seen

    def _seen(self) -> tuple[int, ...]:
        try:
            return tuple(Path(file).stat().st_mtime_ns for file in self._files)
        except OSError:
            return ()
