"""Leasing: which delivery goes to which session, in what order, within which windows."""

from __future__ import annotations

from collections.abc import Callable

from google.protobuf.duration_pb2 import Duration
from jackfield.v1 import frame_pb2, router_pb2

from ..journal.clock import boottime
from ..journal.times import stamp
from .model import Delivery, HandlerQueue, Lane, State
from .sink import Sink

DEFAULT_TIMEOUT = 600.0
FENCE_COUNTER_BITS = 40
LONE_CRASHES = 2
"""A delivery with so many crashes is leased alone in its session."""


def timeout_of(rule: router_pb2.Rule) -> float:
    """Seconds that one attempt may take."""
    return rule.timeout.seconds + rule.timeout.nanos / 1e9 if rule.HasField("timeout") else DEFAULT_TIMEOUT


class Turns:
    """The queues of all handlers.

    `boot` stands in the upper bits of every fence, so that no fence of an earlier kernel is ever valid again. Deadlines are monotonic and
    stand in order, by fence, in one table per timeout value: a lease costs no timer, and what is settled is forgotten at once.
    """

    def __init__(self, boot: int, *, steady: Callable[[], float] = boottime) -> None:
        self.queues: dict[str, HandlerQueue] = {}
        self.holds: dict[str, str] = {}
        """Why nothing is leased: reasons with their texts. Leasing goes on when there is none."""
        self.leased = 0
        self.boot = boot
        self._fence = boot << FENCE_COUNTER_BITS
        self._steady = steady
        self._touched: set[str] = set()
        self._deadlines: dict[float, dict[int, tuple[float, Delivery]]] = {}

    def queue(self, handler: str) -> HandlerQueue:
        """The queue of a handler, made when it is not there."""
        queue = self.queues.get(handler)
        if queue is None:
            queue = self.queues[handler] = HandlerQueue(handler)
        return queue

    def offer(self, queue: HandlerQueue, lane: Lane) -> None:
        """The lane changed: give it its turn, and look at the queue at the next flush."""
        queue.offer(lane)
        self._touched.add(queue.handler)

    def touch(self, handler: str) -> None:
        """The handler may take more: look at its queue at the next flush."""
        self._touched.add(handler)

    def flush(self) -> None:
        """Lease whatever the windows allow."""
        if self.holds:
            return
        while self._touched:
            self._pump(self.queue(self._touched.pop()))

    def next_fence(self) -> int:
        """A fence that was never used."""
        self._fence += 1
        return self._fence

    def release(self, delivery: Delivery) -> Sink | None:
        """Take the delivery from its session; its fence is void. Returns the session it was leased to."""
        sink = delivery.sink
        if sink is None:
            return None
        if sink.leases.pop(delivery.fence, None) is not None:
            self.leased -= 1
            sink.leased_bytes -= delivery.size
            if delivery.rule.bypass:
                sink.bypassing -= 1
            self._deadlines[timeout_of(delivery.rule)].pop(delivery.fence, None)
        delivery.sink = None
        self._touched.add(sink.plugin)
        return sink

    def restore(self, delivery: Delivery, sink: Sink, fence: int) -> None:
        """Lease to a session again what it runs already, under `fence`."""
        delivery.state = State.LEASED
        delivery.fence = fence
        delivery.sink = sink
        sink.leases[fence] = delivery
        sink.leased_bytes += delivery.size
        self.leased += 1
        if delivery.rule.bypass:
            sink.bypassing += 1
        timeout = timeout_of(delivery.rule)
        self._deadlines.setdefault(timeout, {})[fence] = (self._steady() + timeout, delivery)

    def expired(self) -> list[Delivery]:
        """Deliveries whose attempt took too long, oldest first. Called by a tick; looks at one more than it returns."""
        now = self._steady()
        late: list[Delivery] = []
        for line in self._deadlines.values():
            for at, delivery in line.values():
                if at > now:
                    break
                late.append(delivery)
        return late

    def _pump(self, queue: HandlerQueue) -> None:
        sink = queue.sink
        if sink is None:
            return
        window = sink.window()
        while queue.bypass and sink.bypassing < window.bypass_deliveries:
            self._lease(queue.bypass.popleft(), sink)
        lonely: list[Lane] = []
        turns = queue.turns
        while (
            turns
            and len(sink.leases) - sink.bypassing < window.deliveries
            and (sink.leased_bytes < window.bytes)
            and not any_lonely(sink)
        ):
            lane = turns.popleft()
            lane.queued = False
            if not lane.leasable:
                queue.offer(lane)
                continue
            if lane.waiting[0].crashes >= LONE_CRASHES and sink.leases:
                lonely.append(lane)
                continue
            delivery = lane.holder = lane.waiting.popleft()
            self._lease(delivery, sink)
        for lane in lonely:
            lane.queued = True
            turns.append(lane)

    def _lease(self, delivery: Delivery, sink: Sink) -> None:
        self.restore(delivery, sink, self.next_fence())
        delivery.unnamed = 0
        run, rule = delivery.run, delivery.rule
        frame = frame_pb2.Delivery(
            delivery_id=delivery.id,
            fence=delivery.fence,
            event=run.event,
            attempt=delivery.attempt + 1,
            crashes=delivery.crashes,
            rule_id=rule.id,
            table_version=run.table_version,
            bypass=rule.bypass,
            timeout=Duration(seconds=int(timeout_of(rule))),
            now=stamp(run.accepted),
            seed=run.sequence,
            lane_busy=rule.bypass and self._is_busy(run.lane),
        )
        if rule.HasField("config"):
            frame.rule_config.CopyFrom(rule.config)
        for member in delivery.merged:
            frame.merged.append(member.event)
        sink.deliver(frame)

    def _is_busy(self, lane_key: str) -> bool:
        """Whether any handler holds a delivery of the lane in its order."""
        lanes = (queue.lanes.get(lane_key) for queue in self.queues.values())
        return any(lane is not None and lane.holder is not None for lane in lanes)


def any_lonely(sink: Sink) -> bool:
    """Whether the session holds a delivery that must be alone. Looks at one lease at most: a lonely one has no company."""
    if len(sink.leases) - sink.bypassing != 1:
        return False
    return any(delivery.crashes >= LONE_CRASHES for delivery in sink.leases.values())
