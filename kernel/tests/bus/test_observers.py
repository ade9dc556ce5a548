"""An observer that retention has passed jumps ahead, and what it never saw is counted."""

from __future__ import annotations

import asyncio

from jackfield.v1 import event_pb2, frame_pb2, journal_pb2
from jackfield_kernel.bus.ledger import ACCEPTED
from jackfield_kernel.bus.observers import Observers
from jackfield_kernel.journal.clock import JournalClock
from jackfield_kernel.journal.journal import Journal
from jackfield_kernel.journal.log import Record, Unit
from jackfield_kernel.journal.memory import MemoryLog


class Watcher:
    plugin = "o"

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.all_seen = asyncio.Event()

    def deliver(self, frame: frame_pb2.Delivery) -> None:
        self.seen.append(frame.event.id)
        if frame.event.id == "9":
            self.all_seen.set()


async def test_a_gap_is_counted_and_the_observer_goes_on() -> None:
    log = MemoryLog()
    info = await log.open()
    journal = Journal(log, JournalClock(info.journal_time, info.wall_time))
    units = []
    for number in range(10):
        record = journal_pb2.AcceptedRecord(event=event_pb2.Event(id=str(number), type="kernel.x"))
        units.append(Unit((Record(ACCEPTED, str(number), record.SerializeToString()),)))
    await log.commit(units, [], 1.0)
    observers = Observers(log, journal, last=10)
    cursor = await observers._cursor("o")
    cursor.sent = cursor.done = 2
    await log.trim(7)
    observers.trimmed(7)
    assert observers.gaps() == {"o": 4}
    assert observers.lag() == {"o": 8}
    watcher = Watcher()
    task = asyncio.create_task(observers.serve(watcher, ("kernel.*",)))
    await asyncio.wait_for(watcher.all_seen.wait(), 5)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert watcher.seen == ["6", "7", "8", "9"]
    assert observers.gaps() == {"o": 4}
    await log.close()
