"""What the bus does by the clock: deadlines, the mark from which a restart reads, and retention."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from jackfield.v1 import journal_pb2

from ..journal.clock import JournalClock
from ..journal.errors import JournalFailed
from ..journal.journal import Journal
from ..journal.log import LogDriver, Put
from .bus import Bus
from .ledger import ACCEPTED, seconds
from .replay import LOW_BUCKET, LOW_KEY

log = logging.getLogger(__name__)

TICK_SECONDS = 0.25
MARK_SECONDS = 5.0
RETENTION_SECONDS = 600.0


class Housekeeping:
    """Periodic chores. `retention`: seconds for which settled events stay."""

    def __init__(
        self, bus: Bus, journal: Journal, driver: LogDriver, clock: JournalClock, retention: float
    ) -> None:
        self._bus = bus
        self._journal = journal
        self._driver = driver
        self._clock = clock
        self._retention = retention
        self.on_trimmed: Callable[[int], None] = lambda before: None

    async def ticks(self) -> None:
        """Take back deliveries that are over their deadline."""
        while True:
            await asyncio.sleep(TICK_SECONDS)
            self._bus.tick()

    async def marks(self) -> None:
        """Note from where a restart has to read."""
        noted = 0
        while True:
            await asyncio.sleep(MARK_SECONDS)
            low = self._bus.low_mark()
            if low != noted:
                noted = low
                self._journal.put(Put(LOW_BUCKET, LOW_KEY, str(low).encode()))

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
        boundary = await self._boundary(self._clock.now() - self._retention)
        if not boundary:
            return 0
        first = next(iter(self._bus.runs.values()), None)
        before = min(boundary, first.sequence) if first is not None else boundary
        removed = await self._driver.trim(before)
        self.on_trimmed(before)
        return removed

    async def _boundary(self, before: float) -> int:
        """Sequence of the first event accepted at `before` or later, found by halving; 0 without events."""
        from_sequence, last = 0, await self._newest()
        if not last:
            return 0
        while last - from_sequence > 1_000:
            middle = (from_sequence + last) // 2
            stored = await self._driver.scan(kinds=(ACCEPTED,), after=middle, limit=1)
            if stored and self._time(stored[0].record.body) < before:
                from_sequence = middle
            else:
                last = middle
        for one in await self._driver.scan(kinds=(ACCEPTED,), after=from_sequence, limit=1_000):
            if self._time(one.record.body) >= before:
                return one.sequence
        return self._journal.last_sequence + 1

    async def _newest(self) -> int:
        stored = await self._driver.scan(kinds=(ACCEPTED,), limit=1, newest_first=True)
        return stored[0].sequence if stored else 0

    @staticmethod
    def _time(body: bytes) -> float:
        return seconds(journal_pb2.AcceptedRecord.FromString(body).time)
