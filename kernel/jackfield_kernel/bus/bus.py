"""The bus: events come in, deliveries go out, and what happens to them is committed before anybody acts on it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

from jackfield.v1 import error_pb2, event_pb2, frame_pb2, journal_pb2, router_pb2

from ..errors import problem
from ..journal.clock import JournalClock
from ..journal.journal import Journal
from ..journal.log import CONFLICT, DUPLICATE, Outcome, Put, Record, Unit
from ..routing.decision import Decider, Decision
from ..state.writes import kv_unit
from . import ledger
from .busy import BusyLanes
from .emitted import dead_letter_event, dead_letter_notice, emitted_event, noted
from .interrupts import Interrupts
from .limits import Counters, Limits
from .model import Delivery, Recorded, Run, State
from .resume import resume
from .shares import OpenRuns, Shares
from .sink import Sink
from .turns import Turns
from .waiting import WaitingRoom

DEAD = journal_pb2.DELIVERY_STATE_DEAD
DONE = journal_pb2.DELIVERY_STATE_DONE
DROPPED = journal_pb2.DELIVERY_STATE_DROPPED
INTERRUPTED = journal_pb2.DELIVERY_STATE_INTERRUPTED
READY = journal_pb2.DELIVERY_STATE_READY

Answer = Callable[[error_pb2.Error | None], None]
"""Called once: with None when it is committed, with the error when it was refused."""


class Bus:
    """Owns runs and deliveries. Everything runs on the event loop; nothing here waits for anything but the journal."""

    def __init__(
        self,
        journal: Journal,
        routes: Decider,
        clock: JournalClock,
        turns: Turns,
        *,
        limits: Limits | None = None,
        rng: random.Random | None = None,
    ) -> None:
        self.journal = journal
        self.turns = turns
        self.counters = Counters()
        self.limits = limits or Limits()
        self.shares = Shares()
        self.runs = OpenRuns(self.shares)
        self.waiting = WaitingRoom(routes, self._route_later, self.start)
        self.busy = BusyLanes(self)
        self.interrupts = Interrupts(self)
        self.on_accepted: Callable[[int, event_pb2.Event], None] = lambda sequence, event: None
        self.on_full: Callable[[Delivery], None] = lambda delivery: None
        self.on_duplicate: Callable[[str], None] = lambda claim: None
        self.on_written: Callable[[str, Sequence[frame_pb2.KvWrite], int], None] = (
            lambda plugin, writes, version: None
        )
        self._routes = routes
        self._clock = clock
        self._rng = rng or random.Random()
        self.open: set[Delivery] = set()
        journal.on_group = turns.flush

    # Intake ---------------------------------------------------------------------------------------------------------

    def publish(
        self,
        plugin: str,
        event: event_pb2.Event,
        *,
        dedup_key: str = "",
        horizon: float = 0.0,
        marks: tuple[Put, ...] = (),
        answer: Answer,
    ) -> None:
        """Store and route a stamped event. `answer` gets None once it is durable, also when it was known already.

        `horizon`: seconds for which the occurrence named by `dedup_key` is known. `marks` are committed with the event.
        """
        records, decision, lane = self._accept(plugin, event, dedup_key)
        claims = ledger.claims(event, dedup_key, horizon, self._clock.now())
        self.journal.submit(
            Unit(records, claims), partial(self._published, plugin, event, lane, decision, answer), marks
        )

    def _accept(
        self, plugin: str, event: event_pb2.Event, dedup_key: str = ""
    ) -> tuple[tuple[Record, ...], Decision | None, str]:
        lane = ledger.lane_of(event)
        decision = None if self.waiting.holds(lane) else self._routes.decide(event)
        if not isinstance(decision, Decision):
            decision = None
        body = decision.body if decision else None
        records = ledger.accepted_records(event, plugin, lane, self._clock.now(), body, dedup_key)
        return records, decision, lane

    def _published(
        self,
        plugin: str,
        event: event_pb2.Event,
        lane: str,
        decision: Decision | None,
        answer: Answer,
        outcome: Outcome,
    ) -> None:
        if outcome.code == DUPLICATE:
            self.counters.duplicates += 1
            self.on_duplicate(outcome.key)
        else:
            self._begin(Run(event, lane, outcome.sequence, self._clock.now(), plugin), decision)
        answer(None)

    def _begin(self, run: Run, decision: Decision | None) -> None:
        self.counters.accepted += 1
        self.on_accepted(run.sequence, run.event)
        self.runs.open(run)
        if decision is not None:
            run.rules, run.table_version = decision.rules, decision.version
        if decision is None or self.waiting.holds(run.lane):
            self.waiting.add(run)
        else:
            self.start(run)

    def _route_later(self, run: Run, decision: Decision) -> None:
        record = Record(ledger.ROUTED, run.event.id, decision.body)

        def routed(_: Outcome) -> None:
            run.rules, run.table_version = decision.rules, decision.version
            self.start(run)
            self.waiting.routed(run)

        self.journal.submit(Unit((record,)), routed)

    def start(self, run: Run) -> None:
        """Queue the current step of a routed run; end a run that no rule matched."""
        assert run.rules is not None
        if not run.rules:
            self.counters.unrouted += 1
            self.runs.close(run.event.id)
            return
        delivery = Delivery(run, run.rule, size=run.size)
        if run.sequence <= self.limits.parked_until:
            self.finish(delivery, DEAD, error=ledger.restored())
        else:
            self.enqueue(delivery)

    # Queueing -------------------------------------------------------------------------------------------------------

    def enqueue(self, delivery: Delivery, *, front: bool = False) -> None:
        """Put a delivery into its lane, as its rule's busy mode says; `front` for one that comes back."""
        self.open.add(delivery)
        delivery.state = State.READY
        queue = self.turns.queue(delivery.rule.handler)
        if delivery.rule.bypass:
            (queue.bypass.appendleft if front else queue.bypass.append)(delivery)
            self.turns.touch(queue.handler)
            return
        lane = queue.lane(delivery.run.lane)
        if front:
            lane.waiting.appendleft(delivery)
        elif len(lane.waiting) >= self.limits.lane_waiting:
            self.on_full(delivery)
            self.drop(
                delivery,
                problem("LANE_FULL", f"lane {lane.key} holds {len(lane.waiting)} waiting deliveries"),
            )
        elif not self.busy.admit(queue, lane, delivery):
            return
        else:
            lane.waiting.append(delivery)
        self.turns.offer(queue, lane)

    def restore(self, delivery: Delivery) -> None:
        """Queue a delivery that passed its busy mode earlier."""
        self.open.add(delivery)
        queue = self.turns.queue(delivery.rule.handler)
        if delivery.rule.bypass:
            queue.bypass.append(delivery)
            self.turns.touch(queue.handler)
            return
        lane = queue.lane(delivery.run.lane)
        lane.waiting.append(delivery)
        self.turns.offer(queue, lane)

    def journal_time(self) -> float:
        """Now, in journal time."""
        return self._clock.now()

    def absorbed(self, delivery: Delivery) -> None:
        """The delivery went into another one before it was leased; the merge commits its end."""
        self.open.discard(delivery)
        self.runs.close(delivery.run.event.id)

    def drop(self, delivery: Delivery, error: error_pb2.Error) -> None:
        """End a delivery by a rule's decision or a bound."""
        self.counters.dropped += 1
        self.finish(delivery, DROPPED, error=error)

    # Settling -------------------------------------------------------------------------------------------------------

    def settle(self, sink: Sink, settle: frame_pb2.Settle, answer: Answer) -> None:
        """The handler's word on a delivery."""
        delivery = sink.leases.get(settle.fence)
        if delivery is None:
            answer(
                problem("LEASE_LOST", "this delivery is not leased to this session", fence=str(settle.fence))
            )
            return
        kind = settle.WhichOneof("outcome")
        if kind == "done":
            self._done(sink, delivery, settle.done, answer)
            return
        if delivery.cancelled:
            self.interrupts.confirmed(delivery)
        elif kind == "nack":
            self._nacked(delivery, settle.nack)
        elif kind == "release":
            self._come_back(delivery)
        else:
            answer(problem("INVALID_ARGUMENT", "a settle needs done, nack or release", field="outcome"))
            return
        answer(None)

    def _done(self, sink: Sink, delivery: Delivery, done: frame_pb2.Done, answer: Answer) -> None:
        run, now = delivery.run, self._clock.now()
        records: list[Record] = []
        emitted: list[tuple[event_pb2.Event, Decision | None, str]] = []
        if done.emits:
            if run.event.depth + 1 > self.limits.max_depth:
                answer(
                    problem("EMIT_LOOP", f"an event may cause {self.limits.max_depth} generations of others")
                )
                self._dead(delivery, problem("EMIT_LOOP", "the handler emits events that lead back to it"))
                return
            for index, emit in enumerate(done.emits):
                event = emitted_event(delivery, index, emit)
                accepted, decision, lane = self._accept(delivery.rule.handler, event)
                emitted.append((event, decision, lane))
                records.extend(accepted)
        checks, puts = kv_unit(delivery.rule.handler, done.writes, now) if done.writes else ((), ())
        record = ledger.state_record(
            delivery, DONE, now, stop=done.stop, emitted=[event.id for event, _, _ in emitted]
        )
        fence = delivery.fence
        self.turns.release(delivery)
        delivery.state = State.ENDING

        def committed(outcome: Outcome) -> None:
            if outcome.code == CONFLICT:
                if self.turns.queue(delivery.rule.handler).sink is sink:
                    self.turns.restore(delivery, sink, fence)
                else:
                    self._come_back(delivery)
                answer(problem("CONFLICT", f"key {outcome.key!r} changed since it was read", key=outcome.key))
                return
            self.counters.done += 1
            self.turns.queue(delivery.rule.handler).done += 1
            if done.writes:
                self.on_written(delivery.rule.handler, done.writes, outcome.version)
            self._ended(delivery, stop=done.stop, dead=False)
            sequence = outcome.sequence + 1
            for event, decision, lane in emitted:
                self._begin(Run(event, lane, sequence, now, delivery.rule.handler), decision)
                sequence += 1 if decision is None else 2
            answer(None)

        self.journal.submit(Unit((record, *records), (), checks, puts), committed)

    def _nacked(self, delivery: Delivery, nack: frame_pb2.Nack) -> None:
        self.counters.nacked += 1
        error = (
            nack.error if nack.HasField("error") else problem("HANDLER_FAILED", "the handler gave no reason")
        )
        if not error.retryable:
            self._dead(delivery, error)
            return
        wait = None
        if nack.HasField("retry_after"):
            wait = nack.retry_after.seconds + nack.retry_after.nanos / 1e9
        self._again(delivery, error, wait)

    def _again(self, delivery: Delivery, error: error_pb2.Error, wait: float | None) -> None:
        """One attempt is used up: back-off, or a dead letter."""
        delivery.attempt += 1
        if delivery.attempt >= self.limits.max_attempts:
            exhausted = problem(
                "ATTEMPTS_EXHAUSTED",
                f"{delivery.attempt} attempts failed; the last one: {error.message}",
                last=error.reason,
            )
            self._dead(delivery, exhausted)
            return
        if wait is None:
            base = min(self.limits.backoff_first * 2 ** (delivery.attempt - 1), self.limits.backoff_last)
            wait = base * (0.8 + 0.4 * self._rng.random())
        self.turns.release(delivery)
        self._unread_inputs(delivery)
        self.back_off(delivery, wait)
        self._write_ready(delivery, error, self._clock.now() + wait)

    def back_off(self, delivery: Delivery, wait: float) -> None:
        """Offer the delivery again after `wait` seconds; meanwhile it holds its lane unless its rule is unordered."""
        self.open.add(delivery)
        delivery.state = State.WAITING
        queue = self.turns.queue(delivery.rule.handler)
        if not delivery.rule.bypass:
            lane = queue.lane(delivery.run.lane)
            lane.holder = None if delivery.rule.unordered else delivery
            self.turns.offer(queue, lane)
        asyncio.get_running_loop().call_later(max(0.0, wait), self._rested, delivery)

    def _rested(self, delivery: Delivery) -> None:
        if delivery.state is State.WAITING:
            self._come_back(delivery)

    def _come_back(self, delivery: Delivery) -> None:
        """The delivery returns to the head of its lane."""
        if delivery not in self.open:
            return
        self.turns.release(delivery)
        self._unread_inputs(delivery)
        if self._clock.now() - delivery.run.accepted > self.limits.max_age:
            self._dead(delivery, problem("TOO_OLD", f"not handled within {self.limits.max_age / 3600:g} h"))
            return
        self._vacate(delivery)
        self.enqueue(delivery, front=True)
        self.turns.flush()

    def _write_ready(self, delivery: Delivery, error: error_pb2.Error, next_time: float) -> None:
        record = ledger.state_record(delivery, READY, self._clock.now(), error=error, next_time=next_time)
        self.journal.submit(Unit((record,)), lambda _: None)

    def _dead(self, delivery: Delivery, error: error_pb2.Error) -> None:
        self.counters.died(error.reason)
        self.finish(delivery, DEAD, error=error)

    def finish(
        self,
        delivery: Delivery,
        state: journal_pb2.DeliveryState.ValueType,
        *,
        error: error_pb2.Error | None = None,
    ) -> None:
        """Commit a terminal state other than DONE, then go on with the chain or the lane."""
        self.turns.release(delivery)
        delivery.state = State.ENDING
        record = ledger.state_record(delivery, state, self._clock.now(), error=error)
        if state != DEAD:
            self.journal.submit(Unit((record,)), lambda _: self._ended(delivery, stop=True, dead=False))
            return
        told = dead_letter_event(delivery, error or error_pb2.Error(), self._clock.now())

        def buried(outcome: Outcome) -> None:
            self.on_accepted(outcome.sequence + 1, told)
            self._ended(delivery, stop=False, dead=True)

        # The word of it stands or falls with the dead letter.
        records = (record, *noted(told, self._clock.now()))
        self.journal.submit(
            Unit(
                records, puts=(ledger.dead_put(delivery, record, self._clock.now(), self.limits.dead_kept),)
            ),
            buried,
        )

    def tell(self, event: event_pb2.Event) -> None:
        """Store an event of the kernel's own for whoever observes; no rule sees it."""
        unit = Unit(noted(event, self._clock.now()))
        self.journal.submit(unit, lambda outcome: self.on_accepted(outcome.sequence, event))

    def _ended(self, delivery: Delivery, *, stop: bool, dead: bool) -> None:
        """A terminal state is committed: the chain's next rule, and the lane's next delivery."""
        run, rule = delivery.run, delivery.rule
        self.open.discard(delivery)
        self._unread_inputs(delivery)
        self._vacate(delivery)
        more = rule.on_error == router_pb2.ON_ERROR_NEXT if dead else getattr(rule, "continue") and not stop
        if more and not run.last:
            run.step += 1
            self.start(run)
            return
        self.runs.close(run.event.id)
        if dead and rule.on_error == router_pb2.ON_ERROR_NOTIFY:
            notice = dead_letter_notice(delivery)
            if notice.depth <= self.limits.max_depth:
                self.publish("kernel", notice, answer=lambda _: None)

    def _vacate(self, delivery: Delivery) -> None:
        """The delivery leaves its lane, wherever it stands in it."""
        if delivery.rule.bypass:
            return
        queue = self.turns.queue(delivery.rule.handler)
        lane = queue.lane(delivery.run.lane)
        if lane.holder is delivery:
            lane.holder = None
        elif delivery in lane.waiting:
            lane.waiting.remove(delivery)
        self.turns.offer(queue, lane)

    def _unread_inputs(self, delivery: Delivery) -> None:
        steered, delivery.steered = delivery.steered, []
        for unread in reversed(steered):
            self.enqueue(unread, front=True)

    # Sessions -------------------------------------------------------------------------------------------------------

    def attach(self, sink: Sink) -> None:
        """A handler's session is ready for deliveries."""
        self.turns.queue(sink.plugin).sink = sink
        self.turns.touch(sink.plugin)
        self.turns.flush()

    def detach(self, sink: Sink) -> list[Delivery]:
        """The stream ended: nothing more is leased to it. Returns what it holds, still leased, for adoption or `lost`."""
        queue = self.turns.queue(sink.plugin)
        if queue.sink is sink:
            queue.sink = None
        return list(sink.leases.values())

    def adopt(self, delivery: Delivery, sink: Sink) -> int:
        """Lease to a new session of the same process what it still runs: same attempt, new fence."""
        self.turns.release(delivery)
        fence = self.turns.next_fence()
        self.turns.restore(delivery, sink, fence)
        return fence

    def resume(self, sink: Sink, running: Mapping[str, int]) -> list[frame_pb2.Kept]:
        """Lease to a process of an earlier boot what it still runs, by delivery id and old fence."""
        return resume(self, sink, running)

    def lost(self, deliveries: Iterable[Delivery], reason: str, *, counted: bool) -> None:
        """The sessions that held these are gone. `counted` unless the kernel itself asked the plugin to end."""
        for delivery in deliveries:
            if delivery.state is not State.LEASED:
                continue
            self.turns.release(delivery)
            if delivery.cancelled:
                self.interrupts.confirmed(delivery)
                continue
            if not counted:
                self._come_back(delivery)
                continue
            delivery.crashes += 1
            if delivery.crashes >= self.limits.max_crashes:
                self._dead(
                    delivery, problem("POISON", f"its session ended {delivery.crashes} times: {reason}")
                )
                continue
            self._write_ready(delivery, problem("UNAVAILABLE", reason), 0.0)
            self._come_back(delivery)

    def tick(self) -> None:
        """Take back what is over its deadline. Called a few times a second."""
        for delivery in self.turns.expired():
            error = problem("DEADLINE_EXCEEDED", "the attempt took longer than its rule allows")
            if delivery.sink is not None:
                delivery.sink.cancel(delivery.fence, error, confirm=False)
            if delivery.cancelled:
                self.interrupts.confirmed(delivery)
            else:
                self._again(delivery, error, None)
        self.turns.flush()

    # Calls ----------------------------------------------------------------------------------------------------------

    def record(self, delivery: Delivery, call: journal_pb2.CallRecord, done: Callable[[], None]) -> None:
        """Commit the result of a call made under a delivery; the caller may see it once `done` runs."""
        delivery.calls[call.key] = Recorded(call.digest, call)
        record = Record(ledger.CALL, delivery.run.event.id, call.SerializeToString())
        self.journal.submit(Unit((record,)), lambda _: done())

    # Figures --------------------------------------------------------------------------------------------------------

    def low_mark(self) -> int:
        """Sequence from which a restart has to read: everything below it is settled."""
        first = next(iter(self.runs.values()), None)
        return first.sequence if first is not None else self.journal.last_sequence

    def ready(self) -> int:
        """Deliveries that wait for their turn."""
        return len(self.open) - self.turns.leased

    def oldest(self) -> float:
        """Age in seconds of the oldest open event."""
        first = next(iter(self.runs.values()), None)
        return self._clock.now() - first.accepted if first else 0.0
