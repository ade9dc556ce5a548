"""Blobs: content-addressed files, synced before anybody may name them."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import os
import re
import secrets
import threading
import time
from collections.abc import AsyncIterator, Callable, Collection, Iterator
from pathlib import Path

from ..errors import Refused

log = logging.getLogger(__name__)

MAX_BYTES = 64 * 1024 * 1024
CHUNK_BYTES = 64 * 1024

_ID = re.compile(r"sha256-[0-9a-f]{64}")


class Blobs:
    """The folder of blobs; each stands in a sub-folder named by the first two digits of its hash.

    Attributes:
        count, bytes: what is stored; known once `load` ran.
        max_bytes: bound of all together, 0 for none.
        collected: blobs removed since the start.
    """

    def __init__(self, root: Path, max_bytes: int = 0, wall: Callable[[], float] = time.time) -> None:
        self.max_bytes = max_bytes
        self.count = self.bytes = self.collected = 0
        self._root = root
        self._wall = wall
        # Naming a blob and removing it exclude each other: both run in threads.
        self._naming = threading.Lock()

    async def load(self) -> None:
        """Count what is there, and remove what an earlier kernel had received by half."""
        await asyncio.to_thread(self._load)

    def _load(self) -> None:
        for partial in self._root.glob(".*"):
            partial.unlink(missing_ok=True)
        sizes = [found.stat().st_size for found in self._files()]
        with self._naming:
            self.count, self.bytes = len(sizes), sum(sizes)

    def _files(self) -> Iterator[os.DirEntry[str]]:
        with os.scandir(self._root) as folders:
            for folder in folders:
                if folder.is_dir(follow_symlinks=False):
                    with os.scandir(folder) as files:
                        yield from (file for file in files if _ID.fullmatch(file.name))

    def _path(self, blob_id: str) -> Path:
        if not _ID.fullmatch(blob_id):
            raise Refused(
                "NOT_FOUND", f"{blob_id!r} is no blob id", remedy="Blob ids read sha256-<64 hex digits>."
            )
        return self._root / blob_id[7:9] / blob_id

    @contextlib.asynccontextmanager
    async def write(self, size: int) -> AsyncIterator[Incoming]:
        """Receive a blob; `size` is what was announced, 0 for unknown.

        Raises Refused CONTENT_TOO_LARGE, QUOTA_EXCEEDED.
        """
        if size > MAX_BYTES:
            raise _too_large()
        if self.max_bytes and self.bytes + size > self.max_bytes:
            raise Refused(
                "QUOTA_EXCEEDED",
                f"blobs take {self.bytes} bytes of at most {self.max_bytes}",
                remedy="Raise blobs.max_bytes, or shorten journal.retention; unnamed blobs go within the hour.",
                limit=str(self.max_bytes),
                unit="bytes",
            )
        partial = self._root / f".{secrets.token_hex(8)}"
        descriptor = await asyncio.to_thread(
            os.open, partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600
        )
        incoming = Incoming(self, partial, descriptor)
        try:
            yield incoming
        finally:
            await asyncio.to_thread(incoming.discard)

    def keep(self, partial: Path, blob_id: str, size: int) -> None:
        """Give a synced file its name. Blocks; storing what is there already makes it young again."""
        path = self._path(blob_id)
        path.parent.mkdir(mode=0o700, exist_ok=True)
        with self._naming:
            if not path.exists():
                self.count += 1
                self.bytes += size
            partial.replace(path)
        _sync(path.parent)

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

    async def older_than(self, seconds: float) -> set[str]:
        """Ids of blobs that were stored, for the last time, longer ago than this."""
        before = self._wall() - seconds
        return await asyncio.to_thread(
            lambda: {file.name for file in self._files() if file.stat().st_mtime < before}
        )

    async def remove(self, blob_ids: Collection[str], *, stored_before: float) -> int:
        """Remove blobs, but those that were stored again since `stored_before` (Unix time); returns how many went."""
        return await asyncio.to_thread(self._remove, blob_ids, stored_before)

    def _remove(self, blob_ids: Collection[str], before: float) -> int:
        removed = 0
        for blob_id in blob_ids:
            path = self._path(blob_id)
            with self._naming, contextlib.suppress(FileNotFoundError):
                found = path.stat()
                if found.st_mtime < before:
                    path.unlink()
                    self.count -= 1
                    self.bytes -= found.st_size
                    removed += 1
        self.collected += removed
        return removed


class Incoming:
    """A blob on its way to disk."""

    def __init__(self, blobs: Blobs, partial: Path, descriptor: int) -> None:
        self._blobs = blobs
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
        await asyncio.to_thread(_write, self._descriptor, chunk)

    async def store(self) -> tuple[str, int]:
        """Sync and name the blob; returns its id and size."""
        blob_id = f"sha256-{self._hash.hexdigest()}"
        await asyncio.to_thread(self._store, blob_id)
        return blob_id, self._size

    def _store(self, blob_id: str) -> None:
        os.fsync(self._descriptor)
        self._blobs.keep(self._partial, blob_id, self._size)

    def discard(self) -> None:
        """Close the file and remove what was not stored."""
        os.close(self._descriptor)
        self._partial.unlink(missing_ok=True)


def _write(descriptor: int, chunk: bytes) -> None:
    left = memoryview(chunk)
    while left:
        left = left[os.write(descriptor, left) :]


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _too_large() -> Refused:
    return Refused(
        "CONTENT_TOO_LARGE", f"a blob has at most {MAX_BYTES} bytes", limit=str(MAX_BYTES), unit="bytes"
    )
