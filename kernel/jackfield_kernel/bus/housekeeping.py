"""What the bus does by the clock: deadlines, the mark from which a restart reads, and retention."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from jackfield.v1 import journal_pb2

from ..journal.clock import JournalClock
from ..journal.errors import JournalFailed
from ..journal.journal import Journal
from ..journal.log import LogDriver, Put, Stored
from .bus import Bus
from .ledger import ACCEPTED, AUDIT, seconds
from .replay import LOW_BUCKET, LOW_KEY, OPEN_KEY, open_note

log = logging.getLogger(__name__)

TICK_SECONDS = 0.25
MARK_SECONDS = 5.0
RETENTION_SECONDS = 600.0


class Housekeeping:
    """Periodic chores. `retention`: seconds for which settled events stay; `audit`: the same for the audit trail."""

    def __init__(
        self,
        bus: Bus,
        journal: Journal,
        driver: LogDriver,
        clock: JournalClock,
        retention: float,
        audit: float | None = None,
    ) -> None:
        self._bus = bus
        self._journal = journal
        self._driver = driver
        self._clock = clock
        self._retention = retention
        self.on_trimmed: Callable[[int], None] = lambda before: None
        self._audit = retention if audit is None else audit
        self._noted = (0, 0)

    async def ticks(self) -> None:
        """Take back deliveries that are over their deadline."""
        while True:
            await asyncio.sleep(TICK_SECONDS)
            self._bus.tick()

    async def marks(self) -> None:
        """Note from where a restart has to read."""
        while True:
            await asyncio.sleep(MARK_SECONDS)
            self.mark()

    def mark(self) -> None:
        """Note it now, unless nothing changed. Both notes go into one group: they are of one moment."""
        low = self._bus.low_mark()
        noted = low, self._journal.last_sequence
        if noted != self._noted:
            self._noted = noted
            self._journal.put(Put(LOW_BUCKET, LOW_KEY, str(low).encode()))
            self._journal.put(Put(LOW_BUCKET, OPEN_KEY, open_note(self._bus, low)))

    async def retention(self) -> None:
        """Remove settled events by range, oldest first; what is open stays."""
        while True:
            await asyncio.sleep(RETENTION_SECONDS)
            try:
                removed = await self._trim()
            except JournalFailed as error:
                log.warning("retention waits: %s", error)
                continue
            if removed:
                log.info("retention removed %d records", removed)

    async def _trim(self) -> int:
        now, removed = self._clock.now(), 0
        if boundary := await self._boundary(ACCEPTED, now - self._retention):
            first = next(iter(self._bus.runs.values()), None)
            before = min(boundary, first.sequence) if first is not None else boundary
            removed = await self._driver.trim(before, spare=(AUDIT,))
            self.on_trimmed(before)
        if boundary := await self._boundary(AUDIT, now - self._audit):
            others = [int(kind) for kind in journal_pb2.RecordKind.values() if kind != AUDIT]
            removed += await self._driver.trim(boundary, spare=others)
        return removed

    async def _boundary(self, kind: int, before: float) -> int:
        """Sequence of the first record of a kind of `before` or later, found by halving; 0 when none is older."""
        oldest = await self._driver.scan(kinds=(kind,), limit=1)
        if not oldest or self._time(oldest[0]) >= before:
            return 0
        newest = await self._driver.scan(kinds=(kind,), limit=1, newest_first=True)
        from_sequence, last = oldest[0].sequence - 1, newest[0].sequence
        while last - from_sequence > 1_000:
            middle = (from_sequence + last) // 2
            stored = await self._driver.scan(kinds=(kind,), after=middle, limit=1)
            if stored and self._time(stored[0]) < before:
                from_sequence = middle
            else:
                last = middle
        for one in await self._driver.scan(kinds=(kind,), after=from_sequence, limit=1_000):
            if self._time(one) >= before:
                return one.sequence
        return self._journal.last_sequence + 1

    @staticmethod
    def _time(stored: Stored) -> float:
        kind = journal_pb2.AuditRecord if stored.record.kind == AUDIT else journal_pb2.AcceptedRecord
        return seconds(kind.FromString(stored.record.body).time)
