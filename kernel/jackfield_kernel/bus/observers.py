"""Observers: durable cursors on the event log. They see every event that matches, in order, and can neither slow nor break anything.

An observer reads from a ring of recent events; one that fell behind reads the log. Nothing waits for it: beyond its window it is simply
not sent more, and when retention passes it, it jumps ahead and the gap is counted.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Set
from dataclasses import dataclass, field
from typing import Protocol

from jackfield.v1 import event_pb2, frame_pb2, journal_pb2

from ..journal.journal import Journal
from ..journal.log import LogDriver, Put
from ..routing.pattern import Pattern, parse
from .ledger import ACCEPTED

log = logging.getLogger(__name__)

CURSOR_BUCKET = "cursor"
RING_EVENTS = 4_096
BATCH = 256


class Watcher(Protocol):
    """The session of an observer."""

    plugin: str

    def deliver(self, frame: frame_pb2.Delivery) -> None:
        """Send a delivery."""
        ...


@dataclass(slots=True, eq=False)
class _Cursor:
    sent: int
    done: int
    patterns: tuple[Pattern, ...] = ()
    watcher: Watcher | None = None
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    in_flight: deque[int] = field(default_factory=deque)
    gaps: int = 0
    counted: int = 0


class Observers:
    """All cursors. `window` is how many events one observer may have unsettled; `last` the log's last sequence at start."""

    def __init__(self, driver: LogDriver, journal: Journal, *, last: int = 0, window: int = 256) -> None:
        self._driver = driver
        self._journal = journal
        self._window = window
        self._cursors: dict[str, _Cursor] = {}
        self._ring: deque[tuple[int, event_pb2.Event]] = deque(maxlen=RING_EVENTS)
        self._last = last
        self._trimmed = 0

    def accepted(self, sequence: int, event: event_pb2.Event) -> None:
        """An event became durable."""
        self._last = sequence
        if not self._cursors:
            return
        self._ring.append((sequence, event))
        for cursor in self._cursors.values():
            cursor.wake.set()

    async def serve(self, watcher: Watcher, patterns: tuple[str, ...]) -> None:
        """Feed one observer until cancelled. It begins where it settled last; a new one begins now."""
        cursor = await self._cursor(watcher.plugin)
        cursor.watcher = watcher
        cursor.patterns = tuple(parse(pattern) for pattern in patterns)
        cursor.sent = cursor.done
        self._jump(cursor)
        cursor.in_flight.clear()
        cursor.wake.set()
        try:
            while True:
                await cursor.wake.wait()
                cursor.wake.clear()
                await self._feed(cursor, watcher)
        finally:
            cursor.watcher = None

    async def _cursor(self, plugin: str) -> _Cursor:
        cursor = self._cursors.get(plugin)
        if cursor is None:
            # "Now" is when it was asked: what is accepted while the journal is read belongs to it already.
            now = self._last
            entry = await self._driver.get(CURSOR_BUCKET, plugin)
            start = int(entry.value) if entry else now
            cursor = self._cursors[plugin] = _Cursor(start, start)
        return cursor

    async def _feed(self, cursor: _Cursor, watcher: Watcher) -> None:
        while len(cursor.in_flight) < self._window:
            events = self._recent(cursor.sent)
            if events is None:
                events = await self._older(cursor.sent)
                if not events:
                    return
            elif not events:
                return
            for sequence, event in events:
                if len(cursor.in_flight) >= self._window:
                    return
                cursor.sent = sequence
                if any(pattern.matches(event.type) for pattern in cursor.patterns):
                    cursor.in_flight.append(sequence)
                    watcher.deliver(
                        frame_pb2.Delivery(
                            delivery_id=f"{event.id}.observer",
                            event=event,
                            observer=True,
                            observed_sequence=sequence,
                        )
                    )

    def _recent(self, after: int) -> list[tuple[int, event_pb2.Event]] | None:
        """Events after a sequence from the ring; None when the ring does not reach back so far."""
        if after >= self._last:
            return []
        ring = self._ring
        if not ring or ring[0][0] > after + 1:
            return None
        newer: list[tuple[int, event_pb2.Event]] = []
        for item in reversed(ring):
            if item[0] <= after:
                break
            newer.append(item)
        newer.reverse()
        return newer

    async def _older(self, after: int) -> list[tuple[int, event_pb2.Event]]:
        stored = await self._driver.scan(kinds=(ACCEPTED,), after=after, limit=BATCH)
        return [
            (one.sequence, journal_pb2.AcceptedRecord.FromString(one.record.body).event) for one in stored
        ]

    def forget(self, event_ids: Set[str]) -> None:
        """These events are erased: none that was not sent yet is sent any more."""
        self._ring = deque((one for one in self._ring if one[1].id not in event_ids), RING_EVENTS)

    def settled(self, plugin: str, sequence: int) -> None:
        """An observer is done with everything up to `sequence`."""
        cursor = self._cursors.get(plugin)
        if cursor is None or sequence <= cursor.done:
            return
        cursor.done = min(sequence, cursor.sent)
        while cursor.in_flight and cursor.in_flight[0] <= cursor.done:
            cursor.in_flight.popleft()
        self._journal.put(Put(CURSOR_BUCKET, plugin, str(cursor.done).encode()))
        cursor.wake.set()

    def trimmed(self, before: int) -> None:
        """Retention removed the records below a sequence: an observer that had not come so far jumps ahead."""
        self._trimmed = before
        for cursor in self._cursors.values():
            self._jump(cursor)

    def _jump(self, cursor: _Cursor) -> None:
        last = self._trimmed - 1
        cursor.gaps += max(0, last - max(cursor.sent, cursor.counted))
        cursor.counted = max(cursor.counted, last)
        cursor.sent = max(cursor.sent, last)

    def gaps(self) -> dict[str, int]:
        """Records that each observer never saw, for retention removed them first; since the kernel started."""
        return {plugin: cursor.gaps for plugin, cursor in self._cursors.items()}

    def lag(self) -> dict[str, int]:
        """How many records each observer is behind."""
        return {plugin: max(0, self._last - cursor.done) for plugin, cursor in self._cursors.items()}
