"""Admin on its own socket, mode 0600. Methods are found by their names in the contract."""

from __future__ import annotations

import inspect
import logging
import os
import re
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any

import grpc
from google.protobuf.message_factory import GetMessageClass
from jackfield.v1 import admin_pb2

from ..bus.audit import AuditTrail
from ..errors import KernelError, problem
from ..session.endpoint import ERROR_TRAILER, abort
from ..telemetry.redaction import Redactor
from .audit import acted

log = logging.getLogger(__name__)

SERVICE = admin_pb2.DESCRIPTOR.services_by_name["Admin"]


class AdminEndpoint:
    """Serves `parts`: objects whose methods are named as those of the Admin service, in snake case.

    Nothing that `redactor` knows as a secret leaves here.
    """

    def __init__(self, path: Path, parts: Sequence[object], redactor: Redactor, trail: AuditTrail) -> None:
        self._path = path
        self._redactor = redactor
        self._trail = trail
        self._parts = parts
        self._server: grpc.aio.Server | None = None

    async def __aenter__(self) -> AdminEndpoint:
        self._path.unlink(missing_ok=True)
        server = self._server = grpc.aio.server(options=(("grpc.so_reuseport", 0),))
        server.add_generic_rpc_handlers((self._handlers(),))
        earlier = os.umask(0o177)
        try:
            server.add_insecure_port(f"unix:{self._path}")
            await server.start()
        finally:
            os.umask(earlier)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server is not None:
            await self._server.stop(0.2)
        self._path.unlink(missing_ok=True)

    def _handlers(self) -> grpc.GenericRpcHandler:
        handlers: dict[str, grpc.RpcMethodHandler[Any, Any]] = {}
        for method in SERVICE.methods:
            name = re.sub(r"(?<!^)([A-Z])", r"_\1", method.name).lower()
            implementation = next((getattr(part, name) for part in self._parts if hasattr(part, name)), None)
            if implementation is None:
                raise LookupError(f"nothing implements Admin.{method.name}")
            request = GetMessageClass(method.input_type)
            if inspect.isasyncgenfunction(implementation):
                handlers[method.name] = grpc.unary_stream_rpc_method_handler(
                    _stream(implementation, self._redactor, partial(acted, self._trail, method.name)),
                    request_deserializer=request.FromString,
                    response_serializer=self._clean,
                )
            else:
                handlers[method.name] = grpc.unary_unary_rpc_method_handler(
                    _unary(implementation, self._redactor, partial(acted, self._trail, method.name)),
                    request_deserializer=request.FromString,
                    response_serializer=self._clean,
                )
        return grpc.method_handlers_generic_handler(SERVICE.full_name, handlers)

    def _clean(self, message: Any) -> bytes:
        cleaned: bytes = self._redactor.message(message).SerializeToString()
        return cleaned


def _unary(implementation: Any, redactor: Redactor, acted: Callable[[Any, str], None]) -> Any:
    async def call(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
        try:
            response = await implementation(request)
            acted(request, "")
            return response
        except KernelError as error:
            acted(request, error.reason)
            await abort(context, _without(error, redactor))
        except Exception:
            acted(request, "INTERNAL")
            await _internal(context, implementation.__name__)
            raise

    return call


def _stream(implementation: Any, redactor: Redactor, acted: Callable[[Any, str], None]) -> Any:
    async def call(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> AsyncIterator[Any]:
        acted(request, "")
        try:
            async for message in implementation(request):
                yield message
        except KernelError as error:
            await abort(context, _without(error, redactor))
        except Exception:
            await _internal(context, implementation.__name__)
            raise

    return call


def _without(error: KernelError, redactor: Redactor) -> KernelError:
    error.message, error.remedy = redactor.text(error.message), redactor.text(error.remedy)
    error.metadata = {key: redactor.text(value) for key, value in error.metadata.items()}
    return error


async def _internal(context: grpc.aio.ServicerContext[Any, Any], method: str) -> None:
    """One bad call must not end the kernel: the caller gets INTERNAL, the log the traceback."""
    log.exception("Admin.%s failed", method)
    error = problem("INTERNAL", f"{method} failed; the kernel's log says why")
    context.set_trailing_metadata(((ERROR_TRAILER, error.SerializeToString()),))
    context.set_code(grpc.StatusCode.INTERNAL)
    context.set_details(error.message)
