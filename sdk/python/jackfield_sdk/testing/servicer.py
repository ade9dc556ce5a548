"""The gRPC service of the fake kernel."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import grpc
import grpc.aio
from jackfield.v1 import frame_pb2, kernel_pb2, kernel_pb2_grpc

from jackfield_sdk.errors import JackfieldError, Unauthenticated, error_to_proto

if TYPE_CHECKING:
    from jackfield_sdk.testing.kernel import FakeKernel
    from jackfield_sdk.testing.session import Session


class KernelServicer(kernel_pb2_grpc.KernelServicer):
    """Register, Attach and the unary methods of state."""

    def __init__(self, kernel: FakeKernel) -> None:
        self._kernel = kernel

    async def Register(
        self, request: kernel_pb2.RegisterRequest, context: Any
    ) -> kernel_pb2.RegisterResponse:
        """Checks the secret."""
        session = self._kernel.sessions.get(request.plugin)
        if session is None or session.secret != request.secret:
            await refuse(context, Unauthenticated(f"wrong secret for {request.plugin}"))
        assert session is not None
        return kernel_pb2.RegisterResponse(
            session_id=f"session-{request.plugin}",
            contract_version=1,
            kernel_version="fake",
            grants=session.config.grants,
            max_frame_bytes=512 * 1024,
            max_batch_bytes=1 << 20,
        )

    async def Attach(
        self, request_iterator: AsyncIterator[frame_pb2.FrameBatch], context: Any
    ) -> AsyncIterator[frame_pb2.FrameBatch]:
        """The control stream."""
        first = await anext(request_iterator)
        attach = first.frames[0].attach
        session = self._session(attach.session_id)
        if session is None:
            await refuse(context, Unauthenticated("no such session"))
            return
        async for batch in session.exchange(attach, _after(first, request_iterator)):
            yield batch

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
    """Ends a unary method with its typed error in the trailer."""
    trailer = (("jackfield-error-bin", error_to_proto(error).SerializeToString()),)
    code = next(code for code in grpc.StatusCode if code.value[0] == error.code)
    await context.abort(code, error.message, trailing_metadata=trailer)
