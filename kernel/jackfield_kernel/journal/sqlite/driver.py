"""The log driver on SQLite: writes through the writer process, reads on a read-only connection."""

from __future__ import annotations

import asyncio
import logging
import os
import sqlite3
import time as clock
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from pathlib import Path

from jackfield_kernel.journal.errors import Fenced, GroupRefused, JournalFailed, JournalLocked
from jackfield_kernel.journal.log import MAX_RECORDS, Entry, JournalInfo, Outcome, Pending, Put, Stored, Unit
from jackfield_kernel.journal.sqlite.process import WriterProcess
from jackfield_kernel.journal.sqlite.reader import Reader, failed

log = logging.getLogger(__name__)

KEEP_BATCH = 5_000
ERASE_BATCH = 200
RESTART_SECONDS = 0.5
MAX_DEATHS = 5
"""So many writers may die over one group; then the group itself is to blame, and its commit fails."""


class SqliteLog:
    """The journal in the file `path` (with `-wal`, `-shm` and `.lock` beside it); see `bus.log.LogDriver`.

    Args:
        path: the file; made when missing, its folder must exist.
        max_bytes: bound of the file in bytes, above which commits fail with DISK_FULL; 0 for none.
        wall: Unix time in seconds.
    """

    def __init__(self, path: Path, *, max_bytes: int = 0, wall: Callable[[], float] = clock.time) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._wall = wall
        self._open: tuple[WriterProcess, Reader] | None = None
        self._time = 0.0
        self._trimming = asyncio.Lock()
        self._boot = 0
        self._number = 0
        self._restarting = asyncio.Lock()

    async def open(self) -> JournalInfo:
        """See `LogDriver.open`."""
        if self._open is not None:
            raise RuntimeError("the journal is open already")
        writer, state = await WriterProcess.start(self._path, self._max_bytes)
        try:
            reader = Reader(self._path)
        except sqlite3.Error as error:
            await writer.stop()
            raise failed(error) from error
        self._open = writer, reader
        identity, boot, schema, sequence, self._time, wall = state
        self._boot, self._number = boot, 0
        return JournalInfo(identity, boot, schema, sequence, self._time, wall)

    async def commit(self, units: Sequence[Unit], puts: Sequence[Put], time: float) -> list[Outcome]:
        """See `LogDriver.commit`. The group is on its way when the first step of this returns."""
        self._opened()
        if sum([len(unit.records) for unit in units]) > MAX_RECORDS:
            raise GroupRefused(f"a group holds at most {MAX_RECORDS} records")
        self._number += 1
        group = (self._number, [_plain(unit) for unit in units], _plain_puts(puts), time, self._wall())
        rows = await self._written(group)
        self._time = max(self._time, time)
        return [Outcome(*row) for row in rows]

    async def _written(self, group: tuple[object, ...]) -> list[tuple[int, int, int, str, str]]:
        """Send a group until it is answered: one that was written before its writer died is known by its number."""
        deaths = 0
        while True:
            writer, _ = self._opened()
            if writer.lost or self._restarting.locked():
                await self._restart()
                continue
            try:
                rows: list[tuple[int, int, int, str, str]] = await writer.request("commit", *group)
            except JournalFailed as error:
                deaths += 1
                if error.reason != "WRITER_LOST" or deaths > MAX_DEATHS:
                    raise
                await self._restart()
            else:
                return rows

    async def _restart(self) -> None:
        """Start another writer in place of one that ended. Those that wait go on in the order in which they came."""
        async with self._restarting:
            while (opened := self._open) is not None and (lost := opened[0].lost) is not None:
                if isinstance(lost, Fenced):
                    raise lost
                try:
                    writer, _ = await WriterProcess.start(self._path, self._max_bytes, self._boot)
                except JournalLocked as error:
                    raise Fenced from error
                except JournalFailed as error:
                    log.error("the journal's writer does not start: %s", error)
                    await asyncio.sleep(RESTART_SECONDS)
                    continue
                log.warning("the journal's writer process ended and was started again")
                self._open = writer, opened[1]
                await opened[0].stop()

    async def replay(self, from_sequence: int) -> AsyncIterator[list[Stored]]:
        """See `LogDriver.replay`."""
        _, reader = self._opened()
        while batch := await reader.run(Reader.records, from_sequence):
            from_sequence = batch[-1].sequence + 1
            yield batch

    async def scan(
        self,
        *,
        kinds: Collection[int] = (),
        ref: str | None = None,
        after: int = 0,
        before: int | None = None,
        limit: int = 100,
        newest_first: bool = False,
    ) -> list[Stored]:
        """See `LogDriver.scan`."""
        _, reader = self._opened()
        return await reader.run(Reader.scan, kinds, ref, after, before, limit, newest_first)

    async def get(self, bucket: str, key: str) -> Entry | None:
        """See `LogDriver.get`."""
        _, reader = self._opened()
        return await reader.run(Reader.get, bucket, key, self._time)

    async def entries(
        self, bucket: str, prefix: str = "", after: str = "", limit: int = 1_000
    ) -> list[tuple[str, Entry]]:
        """See `LogDriver.entries`."""
        _, reader = self._opened()
        return await reader.run(Reader.entries, bucket, prefix, after, limit, self._time)

    async def usage(self, prefix: str) -> dict[str, tuple[int, int]]:
        """See `LogDriver.usage`."""
        _, reader = self._opened()
        return await reader.run(Reader.usage, prefix, self._time)

    async def trim(self, before: int, keep: Collection[str] = (), spare: Collection[int] = ()) -> int:
        """See `LogDriver.trim`."""
        writer, _ = self._opened()
        async with self._trimming:
            refs = list(keep)
            for start in range(0, max(1, len(refs)), KEEP_BATCH):
                await writer.request("keep", refs[start : start + KEEP_BATCH], start == 0)
            following, total = 1, 0
            while following:
                following, removed = await writer.request(
                    "trim", following, before, [+kind for kind in spare]
                )
                total += removed
        return total

    async def erase(self, refs: Collection[str], entries: Collection[tuple[str, str]] = ()) -> int:
        """See `LogDriver.erase`."""
        writer, _ = self._opened()
        async with self._trimming:
            chosen, named, total = list(refs), [tuple(entry) for entry in entries], 0
            for start in range(0, max(len(chosen), len(named)), ERASE_BATCH):
                end = start + ERASE_BATCH
                total += await writer.request("erase", chosen[start:end], named[start:end])
        return total

    def size(self) -> int:
        """See `LogDriver.size`."""
        files = (self._path, self._path.with_name(f"{self._path.name}-wal"))
        return sum(os.stat(file).st_size for file in files if os.path.exists(file))

    async def backup(self, path: Path) -> None:
        """See `LogDriver.backup`."""
        _, reader = self._opened()
        await asyncio.to_thread(reader.backup, path)

    def pending(self) -> Pending:
        """See `LogDriver.pending`."""
        return Pending(0, 0.0, 0.0) if self._open is None else self._open[0].pending()

    async def close(self) -> None:
        """See `LogDriver.close`."""
        if self._open is None:
            return
        (writer, reader), self._open = self._open, None
        await asyncio.to_thread(reader.close)
        await writer.stop()

    def _opened(self) -> tuple[WriterProcess, Reader]:
        if self._open is None:
            raise JournalFailed("CLOSED", "the journal is not open")
        return self._open


def _plain(unit: Unit) -> tuple[object, ...]:
    """The unit as marshal takes it, which refuses subclasses: `+kind` and `str(bucket)` also unwrap
    enumerations."""
    records, claims, checks, puts = unit
    return (
        tuple([(+kind, ref, body) for kind, ref, body in records]),
        tuple([(key, expires_at) for key, expires_at in claims]),
        tuple([(str(bucket), key, version) for bucket, key, version in checks]) if checks else (),
        tuple(_plain_puts(puts)) if puts else (),
    )


def _plain_puts(puts: Sequence[Put]) -> list[tuple[object, ...]]:
    return [(str(bucket), key, value, expires_at) for bucket, key, value, expires_at in puts]
