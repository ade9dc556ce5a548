"""The log driver in memory: for tests, and for a kernel that is allowed to forget."""

from __future__ import annotations

import os
import secrets
import time as clock
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from itertools import islice
from pathlib import Path

from jackfield_kernel.journal.errors import GroupRefused, JournalFailed, JournalLocked
from jackfield_kernel.journal.group import decide
from jackfield_kernel.journal.log import (
    MAX_RECORDS,
    Entry,
    JournalInfo,
    Outcome,
    Pending,
    Put,
    Record,
    Stored,
    Unit,
)

REPLAY_ROWS = 2_000
PURGE_EVERY = 256


class MemoryLog:
    """A journal that lives as long as this object, across `close` and `open`; see `bus.log.LogDriver`.

    Args:
        wall: Unix time in seconds.
    """

    def __init__(self, *, wall: Callable[[], float] = clock.time) -> None:
        self._wall = wall
        self._identity = secrets.token_hex(16)
        self._boot = 0
        self._is_open = False
        self._sequence = 0
        self._version = 0
        self._groups = 0
        self._time = 0.0
        self._wall_time = 0.0
        self._log: dict[int, Record] = {}
        self._claims: dict[str, float] = {}
        self._buckets: dict[tuple[str, str], Entry] = {}

    async def open(self) -> JournalInfo:
        """See `LogDriver.open`."""
        if self._is_open:
            raise JournalLocked(os.getpid())
        self._is_open = True
        self._boot += 1
        return JournalInfo(self._identity, self._boot, 1, self._sequence, self._time, self._wall_time)

    async def commit(self, units: Sequence[Unit], puts: Sequence[Put], time: float) -> list[Outcome]:
        """See `LogDriver.commit`."""
        self._check_open()
        if sum([len(unit.records) for unit in units]) > MAX_RECORDS:
            raise GroupRefused(f"a group holds at most {MAX_RECORDS} records")
        _check_types(units, puts)
        time = max(time, self._time)
        held = {key: self._claims[key] for unit in units for key, _ in unit.claims if key in self._claims}
        versions = {
            (bucket, key): entry.version
            for unit in units
            for bucket, key, _ in unit.checks
            if (entry := self._live(bucket, key, time)) is not None
        }
        writes = decide(list(units), list(puts), held, versions, time, self._sequence, self._version)
        for sequence, kind, ref, body in writes.records:
            self._log[sequence] = Record(kind, ref, body)
        self._claims.update(writes.claims)
        for name, (value, version, expires_at) in writes.puts.items():
            if value is None:
                self._buckets.pop(name, None)
            else:
                self._buckets[name] = Entry(value, version, expires_at)
        self._sequence, self._version, self._time = writes.sequence, writes.version, time
        self._wall_time = self._wall()
        self._groups += 1
        if self._groups % PURGE_EVERY == 0:
            self._purge()
        return [Outcome(*row) for row in writes.outcomes]

    async def replay(self, from_sequence: int) -> AsyncIterator[list[Stored]]:
        """See `LogDriver.replay`."""
        self._check_open()
        while from_sequence <= self._sequence:
            following = min(max(1, from_sequence) + REPLAY_ROWS, self._sequence + 1)
            numbers = range(from_sequence, following)
            if batch := [Stored(number, self._log[number]) for number in numbers if number in self._log]:
                yield batch
            from_sequence = following

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
        self._check_open()
        matching = (
            Stored(sequence, record)
            for sequence, record in (reversed(self._log.items()) if newest_first else self._log.items())
            if sequence > after
            and (before is None or sequence < before)
            and (not kinds or record.kind in kinds)
            and (ref is None or record.ref == ref)
        )
        return list(islice(matching, limit))

    async def get(self, bucket: str, key: str) -> Entry | None:
        """See `LogDriver.get`."""
        self._check_open()
        return self._live(bucket, key, self._time)

    async def entries(
        self, bucket: str, prefix: str = "", after: str = "", limit: int = 1_000
    ) -> list[tuple[str, Entry]]:
        """See `LogDriver.entries`."""
        self._check_open()
        keys = sorted(
            key for owner, key in self._buckets if owner == bucket and key.startswith(prefix) and key > after
        )
        live = ((key, entry) for key in keys if (entry := self._live(bucket, key, self._time)) is not None)
        return list(islice(live, limit))

    async def usage(self, prefix: str) -> dict[str, tuple[int, int]]:
        """See `LogDriver.usage`."""
        self._check_open()
        found: dict[str, tuple[int, int]] = {}
        for bucket, key in self._buckets:
            if bucket.startswith(prefix) and (entry := self._live(bucket, key, self._time)) is not None:
                entries, size = found.get(bucket, (0, 0))
                found[bucket] = entries + 1, size + len(key.encode()) + len(entry.value)
        return found

    async def trim(self, before: int, keep: Collection[str] = (), spare: Collection[int] = ()) -> int:
        """See `LogDriver.trim`."""
        spared = frozenset(keep)
        return self._remove(
            lambda seq, record: seq < before and record.ref not in spared and record.kind not in spare
        )

    async def erase(self, refs: Collection[str], entries: Collection[tuple[str, str]] = ()) -> int:
        """See `LogDriver.erase`."""
        self._check_open()
        for name in entries:
            self._buckets.pop(name, None)
        chosen = frozenset(refs)
        return self._remove(lambda _, record: record.ref in chosen)

    def _remove(self, chosen: Callable[[int, Record], bool]) -> int:
        self._check_open()
        gone = [sequence for sequence, record in self._log.items() if chosen(sequence, record)]
        for sequence in gone:
            del self._log[sequence]
        return len(gone)

    def size(self) -> int:
        """Nothing on disk."""
        return 0

    async def backup(self, path: Path) -> None:
        """Refused: there is nothing durable to copy."""
        raise JournalFailed("NOT_SUPPORTED", "a journal in memory has no backup")

    def pending(self) -> Pending:
        """Nothing ever waits here."""
        return Pending(0, 0.0, 0.0)

    async def close(self) -> None:
        """See `LogDriver.close`."""
        self._is_open = False

    def _check_open(self) -> None:
        if not self._is_open:
            raise JournalFailed("CLOSED", "the journal is not open")

    def _live(self, bucket: str, key: str, time: float) -> Entry | None:
        entry = self._buckets.get((bucket, key))
        return None if entry is None or 0 < entry.expires_at <= time else entry

    def _purge(self) -> None:
        self._claims = {key: expiry for key, expiry in self._claims.items() if expiry > self._time}
        self._buckets = {name: e for name, e in self._buckets.items() if not 0 < e.expires_at <= self._time}


def _check_types(units: Sequence[Unit], puts: Sequence[Put]) -> None:
    """Refuse what the driver on disk refuses, so that tests on this one find it."""
    bodies = [record.body for unit in units for record in unit.records]
    values = [
        put.value
        for group in (puts, *(unit.puts for unit in units))
        for put in group
        if put.value is not None
    ]
    if not all(isinstance(value, bytes) for value in (*bodies, *values)):
        raise GroupRefused("bodies and values are bytes")
