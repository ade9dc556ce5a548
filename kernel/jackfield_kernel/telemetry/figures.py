"""What metrics reads, as protocols: telemetry stands below the rooms that it measures."""

from __future__ import annotations

from collections.abc import Callable, Sized
from typing import Protocol


class Counters(Protocol):
    """What happened on the bus since the kernel started: `bus.Counters`."""

    accepted: int
    duplicates: int
    unrouted: int
    done: int
    nacked: int
    dead: int
    dropped: int
    interrupted: int
    merged: int
    dead_reasons: dict[str, int]


class Turns(Protocol):
    """`bus.Turns`."""

    leased: int


class Waiting(Protocol):
    """`bus.WaitingRoom`."""

    count: int


class Shares(Protocol):
    """`bus.Shares`."""

    @property
    def paused(self) -> Sized:
        """Bots that are pushed back."""
        ...


class Bus(Protocol):
    """`bus.Bus`."""

    @property
    def shares(self) -> Shares:
        """Who has how much open."""
        ...

    @property
    def waiting(self) -> Waiting:
        """Events without rules yet."""
        ...

    @property
    def counters(self) -> Counters:
        """Since the kernel started."""
        ...

    @property
    def turns(self) -> Turns:
        """Leases."""
        ...

    @property
    def runs(self) -> Sized:
        """Open events."""
        ...

    def ready(self) -> int:
        """Deliveries that wait."""
        ...

    def oldest(self) -> float:
        """Age in seconds of the oldest open event."""
        ...


class Broker(Protocol):
    """`broker.Broker`."""

    on_finished: Callable[[str, float, bool], None]


class Journal(Protocol):
    """`journal.Journal`."""

    groups: int
    units: int
    on_committed: Callable[[float], None]

    @property
    def backlog(self) -> int:
        """Units that wait for their group."""
        ...

    @property
    def failure(self) -> Exception | None:
        """Why the last commit failed; None when it did not."""
        ...


class Pending(Protocol):
    """`journal.log.Pending`."""

    @property
    def groups(self) -> int:
        """Sent and not answered."""
        ...

    @property
    def oldest_seconds(self) -> float:
        """Age of the oldest of them."""
        ...

    @property
    def commit_seconds(self) -> float:
        """What the storage needed for the last answered group."""
        ...


class Driver(Protocol):
    """`journal.log.LogDriver`."""

    def pending(self) -> Pending:
        """How the storage keeps up."""
        ...

    def size(self) -> int:
        """Bytes on disk."""
        ...


class Blobs(Protocol):
    """`state.Blobs`."""

    count: int
    bytes: int
    collected: int
