"""What the bus holds in memory: runs, deliveries, lanes and the queue of each handler.

run        one event on its way through the rules that matched it, in order
delivery   one step of a run: the offer of its event to one rule's handler
lane       the ordered deliveries of one conversation for one handler
queue      all lanes of one handler, and the order in which they get their turn
"""

from __future__ import annotations

import enum
from collections import deque
from dataclasses import dataclass, field

from jackfield.v1 import event_pb2, journal_pb2, router_pb2

from .sink import Sink


class State(enum.Enum):
    """States of a delivery that is in memory; the terminal ones leave it."""

    MERGING = "MERGING"
    READY = "READY"
    WAITING = "WAITING"  # in back-off
    LEASED = "LEASED"
    ENDING = "ENDING"  # its outcome is being committed


@dataclass(slots=True)
class Recorded:
    """A call of a delivery whose result is in the journal."""

    digest: bytes
    record: journal_pb2.CallRecord


@dataclass(slots=True, eq=False)
class Run:
    """One event and the rules it runs through.

    Attributes:
        sequence: of its ACCEPTED record.
        accepted: journal time in seconds.
        rules: the matched rules in order; None while routing has to wait for a table or a set.
        step: index of the current rule plus `first_step`.
        size: bytes of the event, once the run is open.
    """

    event: event_pb2.Event
    lane: str
    sequence: int
    accepted: float
    plugin: str
    rules: tuple[router_pb2.Rule, ...] | None = None
    table_version: int = 0
    first_step: int = 0
    step: int = 0
    size: int = 0

    @property
    def rule(self) -> router_pb2.Rule:
        """The rule of the current step."""
        assert self.rules is not None
        return self.rules[self.step - self.first_step]

    @property
    def last(self) -> bool:
        """Whether no rule follows the current one."""
        assert self.rules is not None
        return self.step - self.first_step + 1 >= len(self.rules)


@dataclass(slots=True, eq=False)
class Delivery:
    """One step of a run."""

    run: Run
    rule: router_pb2.Rule
    state: State = State.READY
    attempt: int = 0
    crashes: int = 0
    fence: int = 0
    sink: Sink | None = None
    size: int = 0
    merged: list[Run] = field(default_factory=list)
    steered: list[Delivery] = field(default_factory=list)
    calls: dict[str, Recorded] = field(default_factory=dict)
    unnamed: int = 0
    asks: str = ""
    cancelled: bool = False

    @property
    def id(self) -> str:
        """`<event id>.<step>`."""
        return f"{self.run.event.id}.{self.run.step}"


@dataclass(slots=True, eq=False)
class Lane:
    """The deliveries of one conversation for one handler, oldest first.

    `holder` is the delivery that the others wait for: leased, in back-off, or ending.
    """

    key: str
    waiting: deque[Delivery] = field(default_factory=deque)
    holder: Delivery | None = None
    queued: bool = False

    @property
    def idle(self) -> bool:
        """Nothing waits and nothing runs."""
        return self.holder is None and not self.waiting

    @property
    def leasable(self) -> bool:
        """Its oldest delivery may be leased now."""
        return self.holder is None and bool(self.waiting) and self.waiting[0].state is State.READY


@dataclass(slots=True, eq=False)
class HandlerQueue:
    """All lanes of one handler. Lanes with something to lease stand in `turns`, each once: k busy lanes each get a turn within k."""

    handler: str
    lanes: dict[str, Lane] = field(default_factory=dict)
    turns: deque[Lane] = field(default_factory=deque)
    bypass: deque[Delivery] = field(default_factory=deque)
    sink: Sink | None = None
    done: int = 0
    """Deliveries handled since the kernel started."""

    def lane(self, key: str) -> Lane:
        """The lane, made when it is not there."""
        lane = self.lanes.get(key)
        if lane is None:
            lane = self.lanes[key] = Lane(key)
        return lane

    def offer(self, lane: Lane) -> None:
        """Give the lane its turn when it has something to lease; forget it when it is idle."""
        if lane.leasable:
            if not lane.queued:
                lane.queued = True
                self.turns.append(lane)
        elif lane.idle:
            self.lanes.pop(lane.key, None)
