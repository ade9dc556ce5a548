"""What needs attention becomes an event, once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from jackfield.v1 import event_pb2
from jackfield_kernel.session.alarms import LONGEST, Alarms
from jackfield_kernel.supervisor import Reason, State


@dataclass
class World:
    """Bus, supervisor and bots in one."""

    told: list[event_pb2.Event] = field(default_factory=list)
    on_failed: Callable[[Any], None] = lambda bot: None
    changed: Callable[[str, State, Reason], None] = lambda name, state, reason: None

    def tell(self, event: event_pb2.Event) -> None:
        self.told.append(event)

    def on_change(self, listener: Callable[[str, State, Reason], None]) -> None:
        self.changed = listener


def world() -> tuple[World, Alarms]:
    found = World()
    return found, Alarms(found, found, found, wall=lambda: 1_000.0)  # type: ignore[arg-type]


def test_a_journal_that_was_stuck_is_told_once_it_writes_again() -> None:
    found, alarms = world()
    for oldest in (0.1, 7.0, 9.53, 9.5):
        alarms.looked(oldest)
    assert found.told == []
    alarms.looked(0.0)
    alarms.looked(0.0)
    (event,) = found.told
    assert (event.type, event.plugin, event.custom.data["seconds"]) == ("kernel.journal_stuck", "kernel", 9.5)


def test_only_parking_is_told_of_a_plugin_and_texts_are_cut() -> None:
    found, _ = world()
    for state in (State.STARTING, State.ACTIVE, State.FAILED, State.PARKED):
        found.changed("p", state, Reason("CRASHED", "x" * 10_000, "Look."))
    (event,) = found.told
    assert event.type == "kernel.plugin_parked"
    assert event.custom.data["plugin"] == "p"
    assert len(event.custom.data["message"]) == LONGEST
    assert event.time.seconds == 1_000
