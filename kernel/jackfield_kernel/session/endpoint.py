"""One socket per plugin, in a directory of its own: who dials it is that plugin, or knows its secret."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import grpc
from jackfield.v1 import kernel_pb2

from ..errors import KernelError, Refused, to_wire
from ..paths import RuntimePaths
from ..supervisor import Endpoint
from .attach import FrameLoop
from .hub import Hub
from .identity import Identities

log = logging.getLogger(__name__)

SERVICE = "jackfield.v1.Kernel"
ERROR_TRAILER = "jackfield-error-bin"
OPTIONS = (
    ("grpc.max_receive_message_length", 4 * 1024 * 1024),
    ("grpc.max_send_message_length", 4 * 1024 * 1024),
    ("grpc.so_reuseport", 0),
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 1_000),
)

Unary = Callable[[str, bytes], Awaitable[bytes]]
"""A unary method: plugin id and request bytes to response bytes. Raises KernelError."""


async def abort(context: grpc.aio.ServicerContext[Any, Any], error: KernelError) -> None:
    """End an RPC with a typed error."""
    context.set_trailing_metadata(((ERROR_TRAILER, to_wire(error).SerializeToString()),))
    await context.abort(error.code, f"{error.reason}: {error}")


class Endpoints:
    """The sockets of all plugins. Implements the supervisor's endpoint opener."""

    def __init__(
        self,
        paths: RuntimePaths,
        hub: Hub,
        identities: Identities,
        unary: dict[str, Unary],
        streams: dict[str, grpc.RpcMethodHandler[Any, Any]],
    ) -> None:
        self._paths = paths
        self._hub = hub
        self.loop: FrameLoop | None = None
        self._identities = identities
        self._unary = unary
        self._streams = streams
        self._servers: dict[str, grpc.aio.Server] = {}

    async def open(self, plugin: str, *, external: bool) -> Endpoint:
        """Listen for the plugin and give it a fresh secret. An open socket is kept."""
        return Endpoint(await self._listen(plugin), self._identities.new_secret(plugin, also=external))

    async def reopen(self, plugin: str) -> bool:
        """Listen for a process of an earlier kernel; False when its resume token is not known."""
        if not self._identities.known(plugin):
            return False
        await self._listen(plugin)
        return True

    async def _listen(self, plugin: str) -> str:
        path = self._paths.plugin_socket(plugin)
        if plugin not in self._servers:
            self._paths.prepare_plugin(plugin)
            Path(path).unlink(missing_ok=True)
            server = grpc.aio.server(options=OPTIONS)
            server.add_generic_rpc_handlers((self._handlers(plugin),))
            server.add_insecure_port(f"unix:{path}")
            await server.start()
            if os.getuid() == 0:
                # An isolated plugin runs as another user than root. The folder above stays ours alone, so this opens
                # nothing to anybody else.
                path.chmod(0o666)
                path.parent.chmod(0o711)
            self._servers[plugin] = server
        return f"unix:{path}"

    async def close(self, plugin: str) -> None:
        """The plugin's process ended: end what is left of its stream. The socket stays for its next start."""
        self._hub.process_gone(plugin, f"the process of {plugin} ended")

    async def close_all(self) -> None:
        """Stop listening."""
        servers, self._servers = list(self._servers.values()), {}
        await asyncio.gather(*(server.stop(0.2) for server in servers))

    def _handlers(self, plugin: str) -> grpc.GenericRpcHandler:
        methods: dict[str, grpc.RpcMethodHandler[Any, Any]] = {
            name: grpc.unary_unary_rpc_method_handler(self._unary_handler(plugin, method))
            for name, method in self._unary.items()
        }
        methods["Register"] = grpc.unary_unary_rpc_method_handler(self._register_handler(plugin))
        methods["Attach"] = grpc.stream_stream_rpc_method_handler(self._attach_handler(plugin))
        methods.update(self._streams)
        return grpc.method_handlers_generic_handler(SERVICE, methods)

    def _register_handler(
        self, plugin: str
    ) -> Callable[[bytes, grpc.aio.ServicerContext[Any, Any]], Awaitable[bytes]]:
        async def register(request: bytes, context: grpc.aio.ServicerContext[Any, Any]) -> bytes:
            try:
                parsed = kernel_pb2.RegisterRequest.FromString(request)
                return self._hub.register(plugin, parsed).SerializeToString()
            except Refused as refusal:
                await abort(context, refusal)
                raise

        return register

    def _attach_handler(
        self, plugin: str
    ) -> Callable[[AsyncIterator[bytes], grpc.aio.ServicerContext[Any, Any]], Awaitable[None]]:
        async def attach(batches: AsyncIterator[bytes], context: grpc.aio.ServicerContext[Any, Any]) -> None:
            assert self.loop is not None
            try:
                await self._hub.attach(plugin, aiter(batches), context, self.loop)
            except Refused as refusal:
                await abort(context, refusal)

        return attach

    def _unary_handler(
        self, plugin: str, method: Unary
    ) -> Callable[[bytes, grpc.aio.ServicerContext[Any, Any]], Awaitable[bytes]]:
        async def call(request: bytes, context: grpc.aio.ServicerContext[Any, Any]) -> bytes:
            try:
                return await method(plugin, request)
            except KernelError as error:
                await abort(context, error)
                raise

        return call
