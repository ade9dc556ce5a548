"""The slow path: methods of the Kernel service as plain RPCs, and blobs on streams of their own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc
from google.protobuf.message import DecodeError
from jackfield.v1 import error_pb2, frame_pb2, kernel_pb2

from ..broker.broker import Broker
from ..broker.call import Result
from ..errors import KernelError, Refused, to_wire
from ..state.blobs import Blobs
from .endpoint import Unary
from .hub import Hub
from .intake import Intake
from .methods import KernelMethods
from .session import Session


def unary_methods(hub: Hub, methods: KernelMethods, broker: Broker, intake: Intake) -> dict[str, Unary]:
    """Unary methods by name. Each finds the caller's session by the socket and the request's `session_id`."""

    def by_session(method: Callable[[Session, bytes], Awaitable[bytes]], field: str) -> Unary:
        async def call(instance: str, body: bytes) -> bytes:
            try:
                session_id = _SessionOf.FromString(body).session_id
            except DecodeError as error:
                raise Refused("INVALID_ARGUMENT", f"the body of {field} cannot be read") from error
            session = hub.by_id(session_id)
            if session.instance != instance:
                raise Refused("UNAUTHENTICATED", "this session belongs to another plugin")
            return await method(session, body)

        return call

    async def publish(session: Session, body: bytes) -> bytes:
        request = kernel_pb2.PublishRequest.FromString(body)
        future: asyncio.Future[error_pb2.Error | None] = asyncio.get_running_loop().create_future()
        intake.publish_once(session, request, future.set_result)
        error = await future
        if error is not None:
            raise _raised(error)
        return kernel_pb2.PublishResponse().SerializeToString()

    async def call(session: Session, body: bytes) -> bytes:
        request = kernel_pb2.CallRequest.FromString(body)
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        request.open.half_closed = True
        broker.open_once(session, request.open, future.set_result)
        result = await future
        if result.error is not None:
            raise _raised(result.error)
        end = frame_pb2.CallEnd(
            body=result.body, recorded=result.recorded, request_changed=result.request_changed
        )
        return kernel_pb2.CallResponse(end=end).SerializeToString()

    named = {name: by_session(method, name) for name, method in methods.unary.items()}
    named["Publish"] = by_session(publish, "Publish")
    named["Call"] = by_session(call, "Call")
    return named


# Every unary request of the Kernel service but Register carries `session_id` as field 1.
_SessionOf = kernel_pb2.GetCatalogRequest


def _raised(error: error_pb2.Error) -> KernelError:
    try:
        return Refused(error.reason, error.message, remedy=error.remedy, **dict(error.metadata))
    except KeyError:
        return Refused("PLATFORM_ERROR", f"{error.reason}: {error.message}", remedy=error.remedy)


def bulk_handlers(hub: Hub, blobs: Blobs) -> dict[str, grpc.RpcMethodHandler[Any, Any]]:
    """The `Bulk` stream: one put or one get."""

    async def bulk(
        requests: AsyncIterator[kernel_pb2.BulkRequest], context: grpc.aio.ServicerContext[Any, Any]
    ) -> AsyncIterator[kernel_pb2.BulkResponse]:
        incoming = aiter(requests)
        try:
            first = await anext(incoming)
            hub.by_id(first.session_id)
            kind = first.WhichOneof("kind")
            if kind == "put":
                yield kernel_pb2.BulkResponse(stored=await _put(blobs, first.put, incoming))
            elif kind == "get":
                async for chunk in blobs.read(first.get.blob_id, first.get.offset):
                    yield kernel_pb2.BulkResponse(chunk=chunk)
            else:
                raise Refused("PROTOCOL_VIOLATION", "a blob stream begins with put or get", frame="bulk")
        except KernelError as error:
            yield kernel_pb2.BulkResponse(error=to_wire(error))

    return {
        "Bulk": grpc.stream_stream_rpc_method_handler(
            bulk,
            request_deserializer=kernel_pb2.BulkRequest.FromString,
            response_serializer=kernel_pb2.BulkResponse.SerializeToString,
        )
    }


async def _put(
    blobs: Blobs, put: kernel_pb2.BulkPut, incoming: AsyncIterator[kernel_pb2.BulkRequest]
) -> kernel_pb2.BulkStored:
    async with blobs.write(put.size) as blob:
        async for request in incoming:
            await blob.add(request.chunk)
        stored, size = await blob.store()
    return kernel_pb2.BulkStored(blob_id=stored, size=size)
