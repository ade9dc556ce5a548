"""Going on after a kernel's restart: deliveries that a process still runs are leased to it again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Protocol

from jackfield.v1 import frame_pb2

from .model import Delivery, HandlerQueue, State
from .shares import OpenRuns
from .sink import Sink
from .turns import FENCE_COUNTER_BITS, Turns

if TYPE_CHECKING:
    from .limits import Counters

_UNNAMED = "~"


class _Owner(Protocol):
    """The bus, as resuming needs it."""

    runs: OpenRuns
    turns: Turns
    counters: Counters

    def enqueue(self, delivery: Delivery, *, front: bool = False) -> None: ...


def resume(bus: _Owner, sink: Sink, running: Mapping[str, int]) -> list[frame_pb2.Kept]:
    """Lease to `sink` the deliveries that it says it runs, by delivery id and the fence of an earlier boot.

    The same attempt goes on under a new fence. What was settled meanwhile, or belongs to another handler, is not kept.
    """
    wanted = {
        delivery_id: fence
        for delivery_id, fence in running.items()
        if fence >> FENCE_COUNTER_BITS < bus.turns.boot
    }
    if not wanted:
        return []
    queue = bus.turns.queue(sink.plugin)
    kept = []
    for delivery in [found for found in _leasable(queue) if found.id in wanted]:
        _take_out(queue, delivery)
        _unmerge(bus, delivery)
        delivery.unnamed = _unnamed(delivery)
        fence = bus.turns.next_fence()
        bus.turns.restore(delivery, sink, fence)
        kept.append(frame_pb2.Kept(old_fence=wanted[delivery.id], new_fence=fence))
    bus.counters.resumed += len(kept)
    return kept


def _leasable(queue: HandlerQueue) -> Iterator[Delivery]:
    """Only the head of a lane can have been leased, and bypass deliveries."""
    yield from tuple(queue.bypass)
    for lane in tuple(queue.lanes.values()):
        if lane.holder is None and lane.waiting and lane.waiting[0].state in (State.READY, State.MERGING):
            yield lane.waiting[0]


def _take_out(queue: HandlerQueue, delivery: Delivery) -> None:
    if delivery.rule.bypass:
        queue.bypass.remove(delivery)
        return
    lane = queue.lane(delivery.run.lane)
    lane.waiting.popleft()
    lane.holder = delivery


def _unmerge(bus: _Owner, delivery: Delivery) -> None:
    """Members that the replay put to a delivery which ran already: they came after its window had closed."""
    if delivery.state is not State.MERGING or not delivery.merged:
        return
    members, delivery.merged = delivery.merged, []
    # In the order of the log, for the oldest open run says from where the next restart reads.
    for run in members:
        bus.runs.open(run)
    in_order = sorted(bus.runs.items(), key=lambda item: item[1].sequence)
    bus.runs.clear()
    bus.runs.update(in_order)
    for run in members:
        bus.enqueue(Delivery(run, run.rule, size=run.size))


def _unnamed(delivery: Delivery) -> int:
    """How many calls without a key the attempt has made, as far as their results are known."""
    numbers = [key.removeprefix(_UNNAMED) for key in delivery.calls if key.startswith(_UNNAMED)]
    return max((int(number) for number in numbers if number.isdigit()), default=0)
