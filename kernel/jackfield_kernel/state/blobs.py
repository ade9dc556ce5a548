"""Blobs: content-addressed files, synced before anybody may name them."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import re
import secrets
from collections.abc import AsyncIterator
from pathlib import Path

from ..errors import Refused

MAX_BYTES = 64 * 1024 * 1024
CHUNK_BYTES = 64 * 1024

_ID = re.compile(r"sha256-[0-9a-f]{64}")


class Blobs:
    """The folder of blobs; each stands in a sub-folder named by the first two digits of its hash."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def _path(self, blob_id: str) -> Path:
        if not _ID.fullmatch(blob_id):
            raise Refused(
                "NOT_FOUND", f"{blob_id!r} is no blob id", remedy="Blob ids read sha256-<64 hex digits>."
            )
        return self._root / blob_id[7:9] / blob_id

    @contextlib.asynccontextmanager
    async def write(self, size: int) -> AsyncIterator[Incoming]:
        """Receive a blob; `size` is what was announced, 0 for unknown. Raises Refused CONTENT_TOO_LARGE."""
        if size > MAX_BYTES:
            raise _too_large()
        partial = self._root / f".{secrets.token_hex(8)}"
        descriptor = await asyncio.to_thread(
            os.open, partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600
        )
        incoming = Incoming(self._root, partial, descriptor)
        try:
            yield incoming
        finally:
            await asyncio.to_thread(incoming.discard)

    async def read(self, blob_id: str, offset: int = 0) -> AsyncIterator[bytes]:
        """Chunks of a blob. Raises Refused NOT_FOUND."""
        path = self._path(blob_id)
        try:
            file = await asyncio.to_thread(path.open, "rb")
        except FileNotFoundError as error:
            raise Refused("NOT_FOUND", f"there is no blob {blob_id}") from error
        with file:
            await asyncio.to_thread(file.seek, offset)
            while chunk := await asyncio.to_thread(file.read, CHUNK_BYTES):
                yield chunk


class Incoming:
    """A blob on its way to disk."""

    def __init__(self, root: Path, partial: Path, descriptor: int) -> None:
        self._root = root
        self._partial = partial
        self._descriptor = descriptor
        self._hash = hashlib.sha256()
        self._size = 0

    async def add(self, chunk: bytes) -> None:
        """Append bytes. Raises Refused CONTENT_TOO_LARGE."""
        self._size += len(chunk)
        if self._size > MAX_BYTES:
            raise _too_large()
        self._hash.update(chunk)
        await asyncio.to_thread(os.write, self._descriptor, chunk)

    async def store(self) -> tuple[str, int]:
        """Sync and name the blob; returns its id and size."""
        blob_id = f"sha256-{self._hash.hexdigest()}"
        await asyncio.to_thread(self._store, blob_id)
        return blob_id, self._size

    def _store(self, blob_id: str) -> None:
        os.fsync(self._descriptor)
        folder = self._root / blob_id[7:9]
        folder.mkdir(mode=0o700, exist_ok=True)
        self._partial.rename(folder / blob_id)
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    def discard(self) -> None:
        """Close the file and remove what was not stored."""
        os.close(self._descriptor)
        self._partial.unlink(missing_ok=True)


def _too_large() -> Refused:
    return Refused(
        "CONTENT_TOO_LARGE", f"a blob has at most {MAX_BYTES} bytes", limit=str(MAX_BYTES), unit="bytes"
    )
