"""Where deliveries go: the session of a handler, as the bus sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from jackfield.v1 import error_pb2, event_pb2, frame_pb2

if TYPE_CHECKING:
    from .model import Delivery


class Sink(Protocol):
    """One attached session. The bus fills it up to its windows and never waits for it."""

    plugin: str
    leases: dict[int, Delivery]
    """Deliveries leased to the session, by fence. The bus keeps it; a fence that is not here is LEASE_LOST."""
    bypassing: int
    """How many of `leases` are bypass deliveries."""
    leased_bytes: int
    """Bytes of the events in `leases`."""

    def window(self) -> frame_pb2.Credit:
        """How much the plugin takes at once."""
        ...

    def deliver(self, frame: frame_pb2.Delivery) -> None:
        """Send a delivery."""
        ...

    def cancel(self, fence: int, error: error_pb2.Error, *, confirm: bool) -> None:
        """Tell the plugin to stop a delivery; with `confirm` it settles it."""
        ...

    def feed(self, fence: int, event: event_pb2.Event) -> None:
        """Send a further event to a running delivery."""
        ...
