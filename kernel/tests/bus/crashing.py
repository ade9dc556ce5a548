"""A log that loses power, a loop whose time stands still, and a handler's process: what the property test of the bus plays with."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Sequence

from jackfield.v1 import error_pb2, event_pb2, frame_pb2
from jackfield_kernel.bus.model import Delivery
from jackfield_kernel.journal.errors import JournalFailed
from jackfield_kernel.journal.log import Outcome, Put, Unit
from jackfield_kernel.journal.memory import MemoryLog

TURNS = 60
"""Turns of the loop after which nothing moves any more: no chain of callbacks here is longer."""


class FrozenLoop(asyncio.SelectorEventLoop):
    """Time passes only when the test says so."""

    def __init__(self) -> None:
        super().__init__(selectors.SelectSelector())
        self.now = 1_000.0

    def time(self) -> float:
        return self.now

    def play(self, action: Callable[[], None]) -> None:
        """Do something on the loop, then run whatever that made ready."""

        async def playing() -> None:
            action()
            for _ in range(TURNS):
                await asyncio.sleep(0)

        self.run_until_complete(playing())


class CrashingLog(MemoryLog):
    """Groups may be held back, refused by the disk, or cut off by a crash of whoever sent them.

    Attributes:
        held: while True, groups wait in the order of their sending.
        failing: how many groups the disk refuses next.
    """

    def __init__(self, wall: Callable[[], float]) -> None:
        super().__init__(wall=wall)
        self.held = False
        self.failing = 0
        self._waiting: list[asyncio.Future[None]] = []
        self._dead = False
        self._epoch = 0

    async def commit(self, units: Sequence[Unit], puts: Sequence[Put], time: float) -> list[Outcome]:
        epoch = self._epoch
        if self.held or self._waiting:
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(turn)
            await turn
        if epoch != self._epoch:
            # Sent before the error of an earlier group was seen: it fails with that one.
            raise JournalFailed("IO_ERROR", "the test's disk failed")
        if self.failing:
            self.failing -= 1
            self._epoch += 1
            raise JournalFailed("IO_ERROR", "the test's disk failed")
        outcomes = await super().commit(units, puts, time)
        if self._dead:
            await asyncio.Event().wait()
        return outcomes

    def let_go(self) -> None:
        """The disk goes on."""
        self.held = False
        waiting, self._waiting = self._waiting, []
        for turn in waiting:
            if not turn.done():
                turn.set_result(None)

    def cut(self, written: int) -> None:
        """The kernel dies: of the groups that are on their way the first `written` reach the disk, and no answer gets out."""
        self._dead = True
        for turn in self._waiting[:written]:
            turn.set_result(None)
        self.held = True

    async def reopened(self) -> None:
        """The next kernel may open it."""
        self._waiting.clear()
        self.held = self._dead = False
        self.failing = 0
        await self.close()


class Process:
    """A handler's process with its session. Implements the bus's `Sink`."""

    def __init__(self, plugin: str, on_offer: Callable[[Process, frame_pb2.Delivery], None]) -> None:
        self.plugin = plugin
        self.leases: dict[int, Delivery] = {}
        self.bypassing = 0
        self.leased_bytes = 0
        self.running: dict[int, frame_pb2.Delivery] = {}
        """What the process works on, by the fence it knows."""
        self._on_offer = on_offer

    def window(self) -> frame_pb2.Credit:
        return frame_pb2.Credit(deliveries=4, bypass_deliveries=2, calls=8, bytes=1 << 20)

    def deliver(self, frame: frame_pb2.Delivery) -> None:
        self.running[frame.fence] = frame
        self._on_offer(self, frame)

    def cancel(self, fence: int, error: error_pb2.Error, *, confirm: bool) -> None:
        assert not confirm, "no rule here interrupts"
        self.running.pop(fence, None)

    def feed(self, fence: int, event: event_pb2.Event) -> None:
        raise AssertionError("no rule here steers")
