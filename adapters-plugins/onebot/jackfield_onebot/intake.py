"""Events on their way to the kernel: the connection is read on whatever the kernel does."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from jackfield_sdk import Bot, Event, JackfieldError, PlatformEvent

# Events, and bytes of their native form, that may wait for the kernel.
MOST_EVENTS = 10_000
MOST_BYTES = 64 << 20
RETRY_SECONDS = 1.0


@dataclass(eq=False, slots=True)
class Waiting:
    """An event that is not durable yet."""

    event: Event
    size: int
    received: float


class Intake:
    """Of one bot. `put` never waits; `run` publishes in order until it is cancelled."""

    def __init__(self, bot: Bot, clock: Callable[[], float]) -> None:
        self._bot = bot
        self._clock = clock
        self._queue: deque[Waiting] = deque()
        self._pending: dict[int, Waiting] = {}
        self._changed = asyncio.Event()
        self._empty = asyncio.Event()
        self._bytes = 0
        self._lost = 0
        self._lost_since: datetime | None = None
        self.refused = 0

    @property
    def pending(self) -> list[Waiting]:
        """What is not durable yet, oldest first."""
        return list(self._pending.values())

    def put(self, event: Event, size: int) -> bool:
        """Takes an event; False when the bound is reached, which is counted and told later."""
        if len(self._pending) >= MOST_EVENTS or self._bytes + size > MOST_BYTES:
            self._lost += 1
            self._lost_since = self._lost_since or datetime.now(UTC)
            if self._lost == 1:
                self._bot.log.error("events are lost: the kernel does not take them as fast as they come")
            return False
        waiting = Waiting(self._bot.complete(event), size, self._clock())
        self._pending[id(waiting)] = waiting
        self._bytes += size
        self._queue.append(waiting)
        self._changed.set()
        return True

    async def run(self) -> None:
        """Publishes one after another; many may be on their way."""
        while True:
            if not self._queue:
                self._changed.clear()
                await self._tell_gap()
                if not self._queue:
                    await self._changed.wait()
                continue
            waiting = self._queue.popleft()
            try:
                durable = await self._bot.publish_nowait(waiting.event)
            except (JackfieldError, TypeError, ValueError) as error:
                # A value that the contract cannot hold is the fault of one event, not of those behind it.
                self._settle(waiting, error)
                continue
            durable.add_done_callback(partial(self._answered, waiting))

    async def drained(self, seconds: float) -> bool:
        """Waits until everything is durable, at most so long."""
        try:
            async with asyncio.timeout(seconds):
                while self._pending:
                    self._empty.clear()
                    await self._empty.wait()
        except TimeoutError:
            return False
        return True

    def _answered(self, waiting: Waiting, durable: asyncio.Future[None]) -> None:
        error = None if durable.cancelled() else durable.exception()
        if durable.cancelled() or (isinstance(error, JackfieldError) and error.retryable):
            # The kernel pushes back: again in a while, behind what is already on its way.
            asyncio.get_running_loop().call_later(RETRY_SECONDS, self._again, waiting)
        else:
            self._settle(waiting, error)

    def _again(self, waiting: Waiting) -> None:
        self._queue.append(waiting)
        self._changed.set()

    def _settle(self, waiting: Waiting, error: BaseException | None) -> None:
        if self._pending.pop(id(waiting), None) is not None:
            self._bytes -= waiting.size
        if error is not None:
            self.refused += 1
            self._bot.log.error("the kernel refused an event of type %s: %s", waiting.event.type, error)
        if not self._pending:
            self._empty.set()
            if self._lost:
                self._changed.set()

    async def _tell_gap(self) -> None:
        if not self._lost or self._pending:
            return
        lost, since = self._lost, self._lost_since or datetime.now(UTC)
        self._lost, self._lost_since = 0, None
        data = {"lost": lost, "since": since.isoformat(), "until": datetime.now(UTC).isoformat()}
        self.put(Event(payload=PlatformEvent("gap", data)), 0)
