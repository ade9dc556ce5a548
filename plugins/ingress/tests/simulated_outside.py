"""Ingress on a fake kernel, between HTTP clients and an adapter that the test plays."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from jackfield.v1 import ingress_pb2, kernel_pb2
from jackfield_ingress.ingress import build
from jackfield_sdk import JackfieldError, wellknown
from jackfield_sdk.ingress import HANDLE, HttpRequest, HttpResponse, request_to_plain, response_to_proto
from jackfield_sdk.testing import FakeKernel, RunningPlugin

ROUTE = {
    "name": "events",
    "verify": {
        "scheme": "hmac-sha256",
        "secrets": {"key": "secret"},
        "settings": {
            "header": "X-Signature",
            "time_header": "X-Time",
            "signed": "{header:x-time}.{body}",
        },
    },
}
NOW = 1_700_000_000


class World:
    """What stands around ingress. `answer` is the adapter's: a response, or an error to raise."""

    def __init__(self, kernel: FakeKernel) -> None:
        self.kernel = kernel
        self.now = float(NOW)
        self.handed: list[HttpRequest] = []
        self.answer: HttpResponse | JackfieldError | Callable[[HttpRequest], Any] = HttpResponse.text("done")
        self.http: aiohttp.ClientSession
        self.running: RunningPlugin
        self._version, self._told = 1, 0
        self._changed = asyncio.Condition()
        kernel.answer("/jackfield.v1.Kernel/WatchCatalog", kernel_pb2.WatchCatalogRequest, self._watch)
        kernel.answer(HANDLE, ingress_pb2.HandleRequestRequest, self._handle)

    def adapter(self, *routes: dict[str, Any], name: str = "wire") -> None:
        """Install an adapter with these routes."""
        made = self.kernel.state.catalog.plugins.add(name=name, state="ACTIVE", kind="adapter")
        made.manifest.CopyFrom(wellknown.struct_to_proto({"provides": {"routes": list(routes)}}))

    def bot(
        self, name: str, secret: str = "", *, enabled: bool = True, adapter: str = "wire", **lent: str
    ) -> None:
        """Configure a bot."""
        self.kernel.state.catalog.bots.add(name=name, adapter=adapter, enabled=enabled)
        for key, value in {"secret": secret, **lent}.items():
            if value:
                self.kernel.state.lent[name, key] = value

    async def changed(self) -> None:
        """Let the kernel say that the catalog changed, and wait until ingress looked."""
        async with self._changed:
            self._version += 1
            self._changed.notify_all()

    async def _watch(self, request: kernel_pb2.WatchCatalogRequest) -> list[kernel_pb2.WatchCatalogResponse]:
        async with self._changed:
            await self._changed.wait_for(lambda: self._told < self._version)
        self._told = self._version
        return [kernel_pb2.WatchCatalogResponse(version=self._version)]

    async def _handle(self, proto: ingress_pb2.HandleRequestRequest) -> ingress_pb2.HandleRequestResponse:
        request = request_to_plain(proto)
        self.handed.append(request)
        answer = self.answer
        if callable(answer) and not isinstance(answer, JackfieldError):
            answer = await answer(request)
        if isinstance(answer, JackfieldError):
            raise answer
        return response_to_proto(answer)

    @property
    def addresses(self) -> dict[str, str]:
        """What was reported: URL by label."""
        return dict(self.running.addresses)

    @property
    def url(self) -> str:
        """Where the first route is reached."""
        return next(iter(self.addresses.values()))

    @asynccontextmanager
    async def run(self, **config: Any) -> AsyncIterator[RunningPlugin]:
        """Start ingress."""
        config = {"host": "127.0.0.1", "port": 0, **config}
        plugin = build(lambda: self.now)
        async with self.kernel.running(plugin, config=config, wait_ready=False) as self.running:
            await self.running.until(self.running.session.ready.wait())
            async with aiohttp.ClientSession(auto_decompress=False) as self.http:
                yield self.running
