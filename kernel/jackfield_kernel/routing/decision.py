"""What routing says to an event."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from jackfield.v1 import event_pb2, router_pb2


class Decision(NamedTuple):
    """The rules that an event runs through, in order; none means UNROUTED.

    Attributes:
        version: the kernel's count of the table.
        body: the serialized RoutedRecord, made once per table and set of rules.
    """

    rules: tuple[router_pb2.Rule, ...]
    version: int
    body: bytes


class Wait(NamedTuple):
    """The event cannot be routed yet, and why."""

    reason: str


class Decider(Protocol):
    """The routing room, as the bus sees it."""

    def decide(self, event: event_pb2.Event) -> Decision | Wait:
        """Evaluate the table in force for the event's bot. Never raises, never waits."""
        ...
