"""The gRPC service of the fake kernel: every method of `jackfield.v1.Kernel`, by name."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import grpc
import grpc.aio
from jackfield.v1 import frame_pb2, kernel_pb2

from jackfield_sdk.errors import JackfieldError, NotFound, Unauthenticated, error_to_proto
from jackfield_sdk.link.bulk import CHUNK_BYTES
from jackfield_sdk.testing.fake_state import METHODS

if TYPE_CHECKING:
    from jackfield_sdk.testing.kernel import FakeKernel
    from jackfield_sdk.testing.session import Session

SERVICE = "/jackfield.v1.Kernel/"


class KernelService(grpc.GenericRpcHandler):
    """Register, Attach, Bulk, and the unary methods of state."""

    def __init__(self, kernel: FakeKernel) -> None:
        self._kernel = kernel
        self._handlers: dict[str, Any] = {
            "Register": grpc.unary_unary_rpc_method_handler(
                self._register,
                kernel_pb2.RegisterRequest.FromString,
                kernel_pb2.RegisterResponse.SerializeToString,
            ),
            "Attach": grpc.stream_stream_rpc_method_handler(
                self._attach, frame_pb2.FrameBatch.FromString, frame_pb2.FrameBatch.SerializeToString
            ),
            "Bulk": grpc.stream_stream_rpc_method_handler(
                self._bulk, kernel_pb2.BulkRequest.FromString, kernel_pb2.BulkResponse.SerializeToString
            ),
        }
        for name, (request_type, _) in METHODS.items():
            self._handlers[name] = grpc.unary_unary_rpc_method_handler(
                self._unary(name), request_type.FromString, lambda response: response.SerializeToString()
            )

    def service(self, handler_call_details: Any) -> Any:
        """Called by the server for each call."""
        return self._handlers.get(handler_call_details.method.removeprefix(SERVICE))

    async def _register(
        self, request: kernel_pb2.RegisterRequest, context: Any
    ) -> kernel_pb2.RegisterResponse:
        session = self._kernel.sessions.get(request.plugin)
        if session is None or session.secret != request.secret:
            await refuse(context, Unauthenticated(f"wrong secret for {request.plugin}"))
            raise AssertionError("abort raises")
        return kernel_pb2.RegisterResponse(
            session_id=f"session-{request.plugin}",
            contract_version=1,
            kernel_version="fake",
            grants=session.config.grants,
            max_frame_bytes=512 * 1024,
            max_batch_bytes=1 << 20,
        )

    async def _attach(
        self, request_iterator: AsyncIterator[frame_pb2.FrameBatch], context: Any
    ) -> AsyncIterator[frame_pb2.FrameBatch]:
        first = await anext(request_iterator)
        attach = first.frames[0].attach
        session = self._session(attach.session_id)
        if session is None:
            await refuse(context, Unauthenticated("no such session"))
            return
        async for batch in session.exchange(attach, _after(first, request_iterator)):
            yield batch

    async def _bulk(
        self, request_iterator: AsyncIterator[kernel_pb2.BulkRequest], context: Any
    ) -> AsyncIterator[kernel_pb2.BulkResponse]:
        blobs = self._kernel.state.blobs
        first = await anext(request_iterator)
        if first.WhichOneof("kind") == "put":
            data = b"".join([request.chunk async for request in request_iterator])
            blob_id = f"sha256-{hashlib.sha256(data).hexdigest()}"
            blobs[blob_id] = data
            yield kernel_pb2.BulkResponse(stored=kernel_pb2.BulkStored(blob_id=blob_id, size=len(data)))
            return
        held = blobs.get(first.get.blob_id)
        if held is None:
            yield kernel_pb2.BulkResponse(error=error_to_proto(NotFound(f"no blob {first.get.blob_id}")))
            return
        for start in range(first.get.offset, len(held), CHUNK_BYTES):
            yield kernel_pb2.BulkResponse(chunk=held[start : start + CHUNK_BYTES])

    def _unary(self, name: str) -> Any:
        async def serve(request: Any, context: Any) -> Any:
            session = self._session(request.session_id)
            try:
                if session is None:
                    raise Unauthenticated("no such session")
                return METHODS[name][1](self._kernel.state, session.plugin, request)
            except JackfieldError as error:
                await refuse(context, error)

        return serve

    def _session(self, session_id: str) -> Session | None:
        return self._kernel.sessions.get(session_id.removeprefix("session-"))


async def _after(
    first: frame_pb2.FrameBatch, rest: AsyncIterator[frame_pb2.FrameBatch]
) -> AsyncIterator[frame_pb2.FrameBatch]:
    if len(first.frames) > 1:
        yield frame_pb2.FrameBatch(frames=first.frames[1:])
    try:
        async for batch in rest:
            yield batch
    except asyncio.CancelledError:
        return


async def refuse(context: Any, error: JackfieldError) -> None:
    """Ends a unary method with its typed error in the trailer. Raises, as abort does."""
    trailer = (("jackfield-error-bin", error_to_proto(error).SerializeToString()),)
    code = next(code for code in grpc.StatusCode if code.value[0] == error.code)
    await context.abort(code, error.message, trailing_metadata=trailer)
