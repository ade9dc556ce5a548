"""Group commit: units queue while a group is in flight and leave together in the next one."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping

from ..errors import KernelError
from .clock import JournalClock
from .errors import Fenced, JournalFailed
from .log import MAX_RECORDS, LogDriver, Outcome, Put, Unit

log = logging.getLogger(__name__)

_Item = tuple[Unit, Callable[[Outcome], None], tuple[Put, ...]]

MAX_IN_FLIGHT = 2
"""Groups sent and not answered: one that the disk works on, one that waits beside it."""

RETRY_SECONDS = 1.0


class Journal:
    """Collects units and commits them in order.

    `submit` never waits; the callback runs on the event loop once the unit is durable or refused, in the order of submission. After
    each group `on_group` runs once, so that what the callbacks made possible is sent in one go.
    """

    def __init__(self, driver: LogDriver, clock: JournalClock) -> None:
        self.driver = self._driver = driver
        self._clock = clock
        self._queue: deque[_Item] = deque()
        self._puts: dict[tuple[str, str], Put] = {}
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._in_flight = 0
        self.on_group: Callable[[], None] = lambda: None
        self.on_committed: Callable[[float], None] = lambda seconds: None
        self.failure: KernelError | None = None
        self.last_sequence = 0
        self.groups = 0
        self.units = 0

    def submit(self, unit: Unit, done: Callable[[Outcome], None], marks: tuple[Put, ...] = ()) -> None:
        """Queue a unit; `done` gets its outcome after the commit.

        `marks` are entries that grow with each unit (a stream's sequence): the last one of a group is written with that group, whatever
        the unit's outcome.
        """
        self._queue.append((unit, done, marks))
        self._idle.clear()
        self._wake.set()

    def put(self, put: Put) -> None:
        """Write an entry with the next group; a later value of the same key replaces an earlier one that has not left."""
        self._puts[put.bucket, put.key] = put
        self._idle.clear()
        self._wake.set()

    async def write(self, unit: Unit) -> Outcome:
        """Commit one unit and wait for it: for slow paths."""
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()

        def done(outcome: Outcome) -> None:
            if not future.done():
                future.set_result(outcome)

        self.submit(unit, done)
        return await future

    async def drained(self) -> None:
        """Wait until nothing is queued or in flight."""
        await self._idle.wait()

    @property
    def backlog(self) -> int:
        """Units that wait for their group."""
        return len(self._queue)

    async def run(self) -> None:
        """Commit groups until cancelled. A failing disk is retried for ever: nothing is acknowledged meanwhile.

        Raises Fenced when another kernel took the journal over.
        """
        try:
            await self._run()
        except* Fenced as errors:
            raise Fenced from errors

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            slots = asyncio.Semaphore(MAX_IN_FLIGHT)
            order: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            order.set_result(None)
            while True:
                await slots.acquire()
                while not (self._queue or self._puts):
                    self._wake.clear()
                    await self._wake.wait()
                units, puts = self._take()
                after, order = order, asyncio.get_running_loop().create_future()
                self._in_flight += 1
                tasks.create_task(self._commit(units, puts, after, order, slots))
                # The task's first step sends the group, so that groups leave in order.
                await asyncio.sleep(0)

    def _take(self) -> tuple[list[_Item], Mapping[tuple[str, str], Put]]:
        units: list[_Item] = []
        puts, self._puts = self._puts, {}
        room = MAX_RECORDS
        queue = self._queue
        while queue and room >= len(queue[0][0].records):
            item = queue.popleft()
            room -= len(item[0].records)
            units.append(item)
            for mark in item[2]:
                puts[mark.bucket, mark.key] = mark
        return units, puts

    async def _commit(
        self,
        units: list[_Item],
        puts: Mapping[tuple[str, str], Put],
        after: asyncio.Future[None],
        order: asyncio.Future[None],
        slots: asyncio.Semaphore,
    ) -> None:
        batch = [unit for unit, _, _ in units]
        group_puts = list(puts.values())
        try:
            outcomes = await self._until_written(batch, group_puts, after)
            await after
            self.failure = None
            self.groups += 1
            self.units += len(batch)
            self.on_committed(self._driver.pending().commit_seconds)
            for (_, done, _), outcome in zip(units, outcomes, strict=True):
                self.last_sequence = outcome.sequence or self.last_sequence
                done(outcome)
            self.on_group()
        finally:
            if not order.done():
                order.set_result(None)
            self._in_flight -= 1
            slots.release()
            if not (self._queue or self._puts or self._in_flight):
                self._idle.set()

    async def _until_written(
        self, batch: list[Unit], puts: list[Put], after: asyncio.Future[None]
    ) -> list[Outcome]:
        while True:
            try:
                return await self._driver.commit(batch, puts, self._clock.now())
            except Fenced:
                raise
            except JournalFailed as error:
                if self.failure is None:
                    log.error("journal cannot be written: %s", error, extra={"remedy": error.remedy})
                self.failure = error
                # A group that failed with an earlier one is sent again only after that one stands.
                await after
                await asyncio.sleep(RETRY_SECONDS)
