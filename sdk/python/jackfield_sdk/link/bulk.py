"""Blobs: bytes in chunks on streams of their own, so that no blob delays a ping."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import grpc
import grpc.aio
from jackfield.v1 import kernel_pb2

from jackfield_sdk.errors import ContentTooLarge, Unavailable, error_to_plain

CHUNK_BYTES = 65_536
LARGEST_BLOB = 64 << 20


async def put_blob(
    stub: Any, session_id: str, data: bytes | AsyncIterator[bytes], mime: str
) -> tuple[str, int]:
    """Stores bytes and returns the blob's id and size once they are synced. Raises ContentTooLarge,
    Unavailable."""
    known = len(data) if isinstance(data, bytes) else 0
    if known > LARGEST_BLOB:
        raise ContentTooLarge(
            f"a blob of {known} bytes", metadata={"limit": str(LARGEST_BLOB), "unit": "bytes"}
        )

    async def requests() -> AsyncIterator[kernel_pb2.BulkRequest]:
        put = kernel_pb2.BulkPut(size=known, mime=mime)
        yield kernel_pb2.BulkRequest(put=put, session_id=session_id)
        pieces = _pieces(data) if isinstance(data, bytes) else data
        async for piece in pieces:
            for start in range(0, len(piece), CHUNK_BYTES):
                yield kernel_pb2.BulkRequest(chunk=piece[start : start + CHUNK_BYTES])

    async for response in _responses(stub, requests()):
        if response.HasField("stored"):
            return response.stored.blob_id, response.stored.size
    raise Unavailable("the kernel ended the stream before the blob was stored")


async def get_blob(stub: Any, session_id: str, blob_id: str) -> AsyncIterator[bytes]:
    """Yields the bytes of a blob. Raises NotFound, Unavailable."""

    async def requests() -> AsyncIterator[kernel_pb2.BulkRequest]:
        yield kernel_pb2.BulkRequest(get=kernel_pb2.BulkGet(blob_id=blob_id), session_id=session_id)

    async for response in _responses(stub, requests()):
        yield response.chunk


async def _responses(stub: Any, requests: AsyncIterator[Any]) -> AsyncIterator[kernel_pb2.BulkResponse]:
    call = stub.Bulk(requests)
    try:
        async for response in call:
            if response.HasField("error"):
                raise error_to_plain(response.error)
            yield response
    except grpc.aio.AioRpcError as error:
        raise Unavailable(f"the blob's stream broke: {error.details()}") from error
    finally:
        call.cancel()


async def _pieces(data: bytes) -> AsyncIterator[bytes]:
    yield data
