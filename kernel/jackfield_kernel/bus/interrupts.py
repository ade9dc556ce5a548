"""Stopping what runs, and answers that reach what runs: busy mode INTERRUPT, CancelLane, inputs that were read."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

from jackfield.v1 import error_pb2, journal_pb2

from ..errors import problem
from .limits import Counters
from .model import Delivery, State
from .sink import Sink

if TYPE_CHECKING:
    from .turns import Turns

DONE = journal_pb2.DELIVERY_STATE_DONE
INTERRUPTED = journal_pb2.DELIVERY_STATE_INTERRUPTED
CONFIRM_SECONDS = 2.0


class _Owner(Protocol):
    """The bus, as interrupts need it."""

    open: set[Delivery]
    counters: Counters
    turns: Turns

    def drop(self, delivery: Delivery, error: error_pb2.Error) -> None: ...

    def finish(
        self,
        delivery: Delivery,
        state: journal_pb2.DeliveryState.ValueType,
        *,
        error: error_pb2.Error | None = None,
    ) -> None: ...


class Interrupts:
    """Ends running deliveries before their handler does."""

    def __init__(self, bus: _Owner) -> None:
        self._bus = bus

    def interrupt(self, delivery: Delivery, reason: str) -> None:
        """Ask the handler to stop a running delivery; INTERRUPTED once it confirmed, or after two seconds."""
        if delivery.cancelled or delivery.state is not State.LEASED or delivery.sink is None:
            return
        delivery.cancelled = True
        delivery.sink.cancel(delivery.fence, problem("CANCELLED", reason), confirm=True)
        asyncio.get_running_loop().call_later(CONFIRM_SECONDS, self.confirmed, delivery)

    def confirmed(self, delivery: Delivery) -> None:
        """The handler stopped, or its time to do so is over."""
        if delivery in self._bus.open and delivery.state is State.LEASED:
            self._bus.counters.interrupted += 1
            self._bus.finish(delivery, INTERRUPTED, error=problem("CANCELLED", "interrupted"))

    def cancel_lane(self, lane_key: str, handler: str, *, drop_waiting: bool, by: str) -> tuple[int, int]:
        """Interrupt what runs in a lane, for one handler or all; returns how many were interrupted and dropped."""
        interrupted = dropped = 0
        for queue in list(self._bus.turns.queues.values()):
            lane = queue.lanes.get(lane_key)
            if lane is None or (handler and queue.handler != handler):
                continue
            if lane.holder is not None and lane.holder.state is State.LEASED:
                interrupted += 1
                self.interrupt(lane.holder, f"{by} cancelled the lane")
            if drop_waiting:
                waiting = [delivery for delivery in lane.waiting if delivery.state is State.READY]
                for delivery in waiting:
                    lane.waiting.remove(delivery)
                    dropped += 1
                    self._bus.drop(delivery, problem("CANCELLED", f"{by} cancelled the lane"))
        return interrupted, dropped

    def read_input(self, sink: Sink, fence: int, event_id: str) -> bool:
        """The handler took a further event of a running delivery: that event is handled."""
        holder = sink.leases.get(fence)
        if holder is None:
            return False
        for steered in holder.steered:
            if steered.run.event.id == event_id:
                holder.steered.remove(steered)
                self._bus.counters.done += 1
                self._bus.finish(steered, DONE)
                return True
        return False
