"""What happens to a delivery whose lane is busy for its handler: the rule's busy mode, and answers that a handler asked for."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

from jackfield.v1 import entity_pb2, error_pb2, router_pb2

from ..errors import problem
from ..journal.log import Outcome
from . import ledger
from .model import Delivery, HandlerQueue, Lane, State

if TYPE_CHECKING:
    from ..journal.journal import Journal
    from .interrupts import Interrupts
    from .limits import Counters
    from .turns import Turns

DEFAULT_WINDOW = 1.5
MAX_MERGED = 10


class _Owner(Protocol):
    """The bus, as busy modes need it."""

    journal: Journal
    turns: Turns
    counters: Counters
    interrupts: Interrupts

    def drop(self, delivery: Delivery, error: error_pb2.Error) -> None: ...

    def journal_time(self) -> float: ...

    def absorbed(self, delivery: Delivery) -> None: ...


class BusyLanes:
    """Decides for each delivery that enters a lane."""

    def __init__(self, bus: _Owner) -> None:
        self._bus = bus

    def admit(self, queue: HandlerQueue, lane: Lane, delivery: Delivery) -> bool:
        """True when the delivery shall wait in the lane; False when it went elsewhere."""
        holder = lane.holder
        running = holder is not None and holder.state is State.LEASED and not holder.cancelled
        mode = delivery.rule.busy.mode
        if running and holder is not None:
            sender = delivery.run.event.sender.id
            if mode == router_pb2.BUSY_MODE_STEER or (holder.asks and holder.asks == sender):
                return not self._feed(holder, delivery)
            if mode == router_pb2.BUSY_MODE_INTERRUPT:
                self._bus.interrupts.interrupt(holder, "a newer event of this conversation replaces it")
                return True
        if mode == router_pb2.BUSY_MODE_REJECT and not lane.idle:
            text = delivery.rule.busy.reject_text or f"lane {lane.key} is busy"
            self._bus.drop(delivery, problem("LANE_BUSY", text))
            return False
        if mode == router_pb2.BUSY_MODE_MERGE:
            return self._merge(queue, lane, delivery)
        return True

    def _feed(self, holder: Delivery, delivery: Delivery) -> bool:
        if holder.sink is None:
            return False
        holder.asks = ""
        holder.steered.append(delivery)
        delivery.state = State.LEASED
        holder.sink.feed(holder.fence, delivery.run.event)
        return True

    def _merge(self, queue: HandlerQueue, lane: Lane, delivery: Delivery) -> bool:
        busy = delivery.rule.busy
        window = busy.window.seconds + busy.window.nanos / 1e9 if busy.HasField("window") else DEFAULT_WINDOW
        tail = lane.waiting[-1] if lane.waiting else None
        if tail is not None and _mergeable(tail, delivery):
            tail.merged.append(delivery.run)
            self._bus.absorbed(delivery)
            if len(tail.merged) + 1 >= (busy.max_merged or MAX_MERGED):
                self._close(queue, lane, tail, len(tail.merged))
            else:
                self._later(window, queue, lane, tail)
            return False
        delivery.state = State.MERGING
        self._later(window, queue, lane, delivery)
        return True

    def _later(self, window: float, queue: HandlerQueue, lane: Lane, delivery: Delivery) -> None:
        loop = asyncio.get_running_loop()
        loop.call_later(window, self._close, queue, lane, delivery, len(delivery.merged))

    def _close(self, queue: HandlerQueue, lane: Lane, delivery: Delivery, members: int) -> None:
        """The window closes unless another member came meanwhile: then a later timer does it."""
        if delivery.state is not State.MERGING or len(delivery.merged) != members:
            return
        if not delivery.merged:
            self._open(queue, lane, delivery)
            return
        delivery.state = State.ENDING

        def committed(_: Outcome) -> None:
            self._bus.counters.merged += len(delivery.merged)
            self._open(queue, lane, delivery)

        self._bus.journal.submit(ledger.merged_unit(delivery, self._bus.journal_time()), committed)

    def _open(self, queue: HandlerQueue, lane: Lane, delivery: Delivery) -> None:
        delivery.state = State.READY
        delivery.size += sum(member.event.ByteSize() for member in delivery.merged)
        self._bus.turns.offer(queue, lane)
        self._bus.turns.flush()


def _mergeable(tail: Delivery, delivery: Delivery) -> bool:
    if tail.state is not State.MERGING or tail.rule.id != delivery.rule.id:
        return False
    event = delivery.run.event
    private = event.chat.type == entity_pb2.CHAT_TYPE_PRIVATE
    return private or tail.run.event.sender.id == event.sender.id
