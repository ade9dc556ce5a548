"""A copy of everything while everything goes on: journal, blobs, the plugins' files. Not the key of the secrets."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import shutil
import sqlite3
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from ..errors import KernelError, Refused
from ..journal.errors import JournalFailed
from ..journal.log import LogDriver
from ..journal.sqlite.restored import inspect
from ..paths import BACKUP_FORMAT, BACKUP_NOTE, DataPaths
from .collector import Collector

_SQLITE = b"SQLite format 3\0"
_BESIDE_SQLITE = ("-wal", "-shm", "-journal")
_NEVER = ("journal.db", "kernel.lock", "secret.key")
"""Beginnings of the names of files in the data directory that are copied otherwise, or not at all."""


@dataclass
class Progress:
    """How far a backup is. `part`: journal, blobs or files."""

    part: str
    done: int = 0
    total: int = 0
    bytes: int = 0


@dataclass
class Note:
    """What stands in `backup.json`."""

    kernel: str
    key_id: str
    journal: str
    schema: int
    last_sequence: int


class Backup:
    """Writes backups. `version`: of the kernel."""

    def __init__(
        self,
        paths: DataPaths,
        driver: LogDriver,
        collector: Collector,
        version: str,
    ) -> None:
        self._paths = paths
        self._driver = driver
        self._collector = collector
        self._version = version

    async def write(self, target: Path, key_id: str) -> AsyncIterator[Progress | Note]:
        """Write to `target`, which appears complete or not at all; says how far it is, and at the end what it wrote.

        Raises Refused INVALID_ARGUMENT, CONFLICT; JournalFailed.
        """
        self._check(target)
        partial = target.with_name(f"{target.name}.partial")
        self._collector.paused = True
        try:
            await asyncio.to_thread(_fresh, partial)
            yield Progress("journal", 0, 1)
            await self._driver.backup(partial / "journal.db")
            copy = await asyncio.to_thread(inspect, partial / "journal.db")
            yield Progress("journal", 1, 1, (partial / "journal.db").stat().st_size)
            for part, find in (("blobs", self._blobs), ("files", self._files)):
                files = await asyncio.to_thread(list, find())
                async for progress in _copied(part, files, self._paths.root, partial):
                    yield progress
            note = Note(self._version, key_id, copy.identity, copy.schema, copy.last_sequence)
            await asyncio.to_thread(_finish, partial, target, note)
            yield note
        except OSError as error:
            raise _failed(error) from error
        finally:
            self._collector.paused = False
            await asyncio.to_thread(shutil.rmtree, partial, ignore_errors=True)

    def _check(self, target: Path) -> None:
        if not target.is_absolute() or target.resolve().is_relative_to(self._paths.root.resolve()):
            raise Refused(
                "INVALID_ARGUMENT",
                f"a backup cannot be written to {target}",
                remedy="Name a directory outside the data directory, by its full path.",
                field="path",
            )
        if target.exists():
            raise Refused(
                "CONFLICT",
                f"{target} exists already",
                remedy="Name a directory that does not exist.",
                key="path",
            )
        if not target.parent.is_dir():
            raise Refused(
                "INVALID_ARGUMENT", f"there is no directory {target.parent}", remedy="Make it.", field="path"
            )

    def _blobs(self) -> Iterator[Path]:
        for folder in sorted(self._paths.blobs.glob("[0-9a-f][0-9a-f]")):
            yield from (file.relative_to(self._paths.root) for file in sorted(folder.iterdir()))

    def _files(self) -> Iterator[Path]:
        root = self._paths.root
        for file in sorted(root.iterdir()):
            if file.is_file() and not file.is_symlink() and not file.name.startswith((*_NEVER, ".")):
                yield file.relative_to(root)
        for folder, _, names in os.walk(root / "plugins"):
            for name in sorted(names):
                file = Path(folder, name)
                if file.is_file() and not file.is_symlink():
                    yield file.relative_to(root)


async def _copied(part: str, files: list[Path], root: Path, to: Path) -> AsyncIterator[Progress]:
    progress = Progress(part, 0, len(files))
    yield progress
    for file in files:
        progress.bytes += await asyncio.to_thread(_copy, root / file, to / file)
        progress.done += 1
        yield progress


def _copy(source: Path, target: Path) -> int:
    """Copy one file and sync it; one that vanished meanwhile is left out. Databases are copied as their engine does."""
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        with source.open("rb") as file:
            begins = file.read(len(_SQLITE))
            if begins == _SQLITE:
                _copy_database(source, target)
            elif source.name.endswith(_BESIDE_SQLITE) and source.with_name(_main(source.name)).exists():
                return 0
            else:
                shutil.copyfile(source, target)
    except FileNotFoundError:
        return 0
    target.chmod(source.stat().st_mode & 0o700)
    _sync(target)
    return target.stat().st_size


def _main(name: str) -> str:
    return next(name.removesuffix(ending) for ending in _BESIDE_SQLITE if name.endswith(ending))


def _copy_database(source: Path, target: Path) -> None:
    try:
        with (
            closing(sqlite3.connect(f"{source.resolve().as_uri()}?mode=ro", uri=True)) as original,
            closing(sqlite3.connect(target)) as copy,
        ):
            original.backup(copy)
    except sqlite3.Error:
        # Damaged, or a database only by its first bytes: the bytes are what can be kept.
        shutil.copyfile(source, target)


def _fresh(partial: Path) -> None:
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(mode=0o700)


def _finish(partial: Path, target: Path, note: Note) -> None:
    """The note says that it is a backup, and is written last; the new name makes it one."""
    text = json.dumps({"format": BACKUP_FORMAT, "time": time.time(), **vars(note)}, indent=2)
    file = partial / BACKUP_NOTE
    file.write_text(text + "\n")
    (partial / "journal.db").chmod(0o600)
    file.chmod(0o600)
    _sync(file)
    for folder, _, _ in os.walk(partial, topdown=False):
        os.chmod(folder, 0o700)
        _sync(Path(folder))
    partial.rename(target)
    _sync(target.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _failed(error: OSError) -> KernelError:
    reasons = {
        errno.ENOSPC: "DISK_FULL",
        errno.EDQUOT: "DISK_FULL",
        errno.EROFS: "READ_ONLY",
        errno.EACCES: "READ_ONLY",
    }
    reason = reasons.get(error.errno or 0, "IO_ERROR")
    failure = JournalFailed(reason, f"the backup cannot be written: {error}")
    failure.remedy = "Name a place with room that the kernel's user may write to."
    return failure
