"""Intake of a platform that sends nothing twice: the connection is read on whatever the kernel does.

For adapters whose manifest says `intake: unacknowledged`. An event that the kernel did not confirm within `SAFE_SECONDS` is synced to
a file as well; the next process publishes what stands there. When all is durable the file goes away.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

from jackfield_sdk.bot import Bot
from jackfield_sdk.errors import JackfieldError
from jackfield_sdk.event import Event
from jackfield_sdk.payload import PlatformEvent
from jackfield_sdk.spool import Spool, Spooled

# Events, and bytes of their native form, that may wait for the kernel.
MOST_EVENTS = 10_000
MOST_BYTES = 64 << 20
RETRY_SECONDS = 1.0
SAFE_SECONDS = 0.5
Sleep = Callable[[float], Awaitable[Any]]
# Makes the event of a frame that an earlier process left; None for one that means nothing any more.
Reading = Callable[[Spooled], Awaitable[Event | None]]


@dataclass(eq=False, slots=True)
class Waiting:
    """An event that is not durable in the kernel yet."""

    event: Event
    size: int
    self_id: str
    # In the file, or nothing that a file could hold.
    safe: bool = False
    dedup_key: str = ""
    checkpoint: bytes = b""


class Intake:
    """Of one bot. `put` never waits; `run` publishes in order until it is cancelled.

    Events carry their native form as `raw_json`: that is what the file holds, and what `read` gets back.
    """

    def __init__(self, bot: Bot, spool: Spool, read: Reading, sleep: Sleep = asyncio.sleep) -> None:
        self._bot = bot
        self._spool = spool
        self._read = read
        self._sleep = sleep
        self._queue: deque[Waiting] = deque()
        self._refused: deque[Waiting] = deque()
        self._pending: dict[int, Waiting] = {}
        self._changed = asyncio.Event()
        self._arrived = asyncio.Event()
        self._empty = asyncio.Event()
        self._filed = False
        self._bytes = 0
        self._lost = 0
        self._lost_since: datetime | None = None

    @property
    def pending(self) -> int:
        """How many events are not durable in the kernel yet."""
        return len(self._pending)

    async def restore(self) -> None:
        """Takes up what the last process left in the file."""
        for record in await asyncio.to_thread(self._spool.load):
            self._filed = True
            event = await self._read(record)
            if event is not None:
                event = replace(event, id=record.event_id)
                self._add(Waiting(event, len(record.frame), record.self_id, True, record.dedup_key))
        if self._pending:
            self._bot.log.warning("%d events of the last process are published now", len(self._pending))

    def put(self, event: Event, self_id: str, dedup_key: str = "", checkpoint: bytes = b"") -> bool:
        """Takes an event; False when the bound is reached, which is counted and told later.

        `self_id` is the account or session that got it. The other two are handed to `Bot.publish`.
        """
        size = len(event.raw_json or b"")
        if len(self._pending) >= MOST_EVENTS or self._bytes + size > MOST_BYTES:
            self._lost += 1
            self._lost_since = self._lost_since or datetime.now(UTC)
            if self._lost == 1:
                self._bot.log.error("events are lost: the kernel does not take them as fast as they come")
            return False
        self._add(Waiting(event, size, self_id, not size, dedup_key, checkpoint))
        return True

    async def run(self) -> None:
        """Publishes one after another, many on their way at once, and keeps safe what takes long."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._publish())
            group.create_task(self._keep_safe())

    async def drained(self, seconds: float) -> bool:
        """Waits until the kernel holds everything, at most so long."""
        try:
            async with asyncio.timeout(seconds):
                while self._pending:
                    self._empty.clear()
                    await self._empty.wait()
        except TimeoutError:
            return False
        return True

    async def file(self) -> None:
        """Syncs what is not durable to the file; removes the file when nothing is left."""
        unsafe = [waiting for waiting in self._pending.values() if not waiting.safe]
        records = [Spooled(w.event.id, w.self_id, w.event.raw_json or b"null", w.dedup_key) for w in unsafe]
        try:
            if records:
                self._filed = True
                await asyncio.to_thread(self._spool.append, records)
                for waiting in unsafe:
                    waiting.safe = True
            elif self._filed and not self._pending:
                self._filed = False
                await asyncio.to_thread(self._spool.clear)
        except OSError as error:
            self._bot.log.error("events wait in memory only: %s", error)

    def _add(self, waiting: Waiting) -> None:
        waiting.event = self._bot.complete(waiting.event)
        self._pending[id(waiting)] = waiting
        self._bytes += waiting.size
        self._queue.append(waiting)
        self._changed.set()
        self._arrived.set()

    async def _publish(self) -> None:
        while True:
            if self._refused or not self._queue:
                self._changed.clear()
                self._tell_gap()
                if self._refused or not self._queue:
                    await self._changed.wait()
                continue
            waiting = self._queue.popleft()
            try:
                durable = await self._bot.publish_nowait(waiting.event, waiting.dedup_key, waiting.checkpoint)
            except JackfieldError as error:
                if error.retryable:
                    self._queue.appendleft(waiting)
                    await self._sleep(RETRY_SECONDS)
                else:
                    self._settle(waiting, error)
                continue
            except (TypeError, ValueError) as error:
                # A value that the contract cannot hold is the fault of one event, not of those behind it.
                self._settle(waiting, error)
                continue
            durable.add_done_callback(partial(self._answered, waiting))

    async def _keep_safe(self) -> None:
        while True:
            if not self._pending and not self._filed:
                self._arrived.clear()
                await self._arrived.wait()
            before = set(self._pending)
            await self._sleep(SAFE_SECONDS)
            if not self._pending or not before.isdisjoint(self._pending):
                await self.file()

    def _answered(self, waiting: Waiting, durable: asyncio.Future[None]) -> None:
        error = None if durable.cancelled() else durable.exception()
        if durable.cancelled() or (isinstance(error, JackfieldError) and error.retryable):
            # The kernel pushes back: in a while again, and nothing new before, so that the order stays.
            if not self._refused:
                asyncio.get_running_loop().call_later(RETRY_SECONDS, self._again)
            self._refused.append(waiting)
        else:
            self._settle(waiting, error)

    def _again(self) -> None:
        self._queue.extendleft(reversed(self._refused))
        self._refused.clear()
        self._changed.set()

    def _settle(self, waiting: Waiting, error: BaseException | None) -> None:
        if self._pending.pop(id(waiting), None) is not None:
            self._bytes -= waiting.size
        if error is not None:
            # A gap that cannot be told is not told again.
            self._lost += 1 if waiting.size else 0
            self._lost_since = self._lost_since or datetime.now(UTC)
            self._bot.log.error("the kernel refused an event of type %s: %s", waiting.event.type, error)
        if not self._pending:
            self._empty.set()
            if self._lost:
                self._changed.set()

    def _tell_gap(self) -> None:
        if not self._lost or self._pending:
            return
        lost, since = self._lost, self._lost_since or datetime.now(UTC)
        self._lost, self._lost_since = 0, None
        data = {"lost": lost, "since": since.isoformat(), "until": datetime.now(UTC).isoformat()}
        self._add(Waiting(Event(payload=PlatformEvent("gap", data)), 0, "", safe=True))
