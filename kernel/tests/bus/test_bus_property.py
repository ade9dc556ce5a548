"""The bus against a reference model: publishes, handlers, disks, clocks and kernels that fail at every step.

The model knows what was promised: which events were acknowledged, which settlements were confirmed, which results were recorded.
Whatever happens in between, every offer has to fit those promises, and once the faults end everything promised is finished.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from unittest import mock

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from jackfield.v1 import error_pb2, event_pb2, frame_pb2, journal_pb2, router_pb2
from jackfield_kernel.bus import ledger
from jackfield_kernel.bus.bus import Bus
from jackfield_kernel.bus.replay import Replay
from jackfield_kernel.bus.turns import Turns
from jackfield_kernel.journal import journal as journal_module
from jackfield_kernel.journal.clock import JournalClock
from jackfield_kernel.journal.journal import Journal
from jackfield_kernel.routing.tables import FILE, RouteTables

from .crashing import CrashingLog, FrozenLoop, Process

CHAINS = {"plain": ("h",), "chain": ("h", "o")}
"""Handlers of each bot's rules, in order."""
LANES = ("one", "two")
TIMEOUT = 5.0
Step = tuple[str, int]
"""Event id and step of its chain."""


def played(action: Callable[..., None]) -> Callable[..., None]:
    """The action happens on the loop, and everything that it causes before the next one."""

    @functools.wraps(action)
    def on_the_loop(self: BusMachine, *args: object, **kwargs: object) -> None:
        self.loop.play(functools.partial(action, self, *args, **kwargs))

    return on_the_loop


def tables() -> RouteTables:
    """Every rule goes on after success and after a dead letter."""
    routes = RouteTables()
    for bot, handlers in CHAINS.items():
        rules = [
            router_pb2.Rule(
                id=name, event="*", handler=name, on_error=router_pb2.ON_ERROR_NEXT, **{"continue": True}
            )
            for name in handlers
        ]
        for one in rules:
            one.timeout.FromSeconds(int(TIMEOUT))
        routes.push(router_pb2.RouteTable(bot=bot, rules=rules), source=FILE)
    return routes


@dataclass
class Promises:
    """What the outside was told."""

    published: dict[str, tuple[event_pb2.Event, str]] = field(default_factory=dict)
    """Everything sent, with its dedup key, in order."""
    acknowledged: set[str] = field(default_factory=set)
    done: set[Step] = field(default_factory=set)
    stopped: set[str] = field(default_factory=set)
    """Events whose chain a confirmed settlement ended."""
    emitted: set[str] = field(default_factory=set)
    recorded: dict[Step, set[str]] = field(default_factory=dict)
    """Keys of calls whose results were confirmed."""
    failed: dict[Step, int] = field(default_factory=dict)
    """Attempts that were used up."""
    lost: dict[Step, int] = field(default_factory=dict)
    """Processes that died with the delivery."""
    refused: set[Step] = field(default_factory=set)
    """Nacked for good."""


class BusMachine(RuleBasedStateMachine):
    """Plays kernel after kernel on one journal."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = FrozenLoop()
        asyncio.set_event_loop(self.loop)
        self.wrong: list[str] = []
        self.loop.set_exception_handler(lambda loop, context: self.wrong.append(str(context)))
        self.wall = 1_700_000_000.0
        self.steady = 50.0
        self.log = CrashingLog(lambda: self.wall)
        self.promises = Promises()
        self.processes: dict[str, Process] = {}
        self.number = 0
        self.boots = 0
        self.patch = mock.patch.object(journal_module, "RETRY_SECONDS", 0.0)
        self.patch.start()

    # Kernels ---------------------------------------------------------------------------------------------------------

    @initialize(seed=st.integers(0, 1_000))
    def seed(self, seed: int) -> None:
        """Back-offs are jittered."""
        self.rng = random.Random(seed)
        self.start()
        for plugin in ("h", "o"):
            self.start_process(plugin)

    def start(self) -> None:
        """A kernel starts on the journal as it is."""

        async def start() -> None:
            info = await self.log.open()
            self.clock = JournalClock(
                info.journal_time, info.wall_time, wall=lambda: self.wall, steady=lambda: self.steady
            )
            self.journal = Journal(self.log, self.clock)
            self.bus = Bus(
                self.journal,
                tables(),
                self.clock,
                Turns(info.boot, steady=lambda: self.steady),
                rng=self.rng,
            )
            await Replay(self.bus, self.clock.now).run(self.log)
            self.committing = asyncio.create_task(self.journal.run())

        self.boots += 1
        self.loop.run_until_complete(start())
        self.loop.play(self.come_back)

    def come_back(self) -> None:
        """Processes outlive the kernel: each lists what it runs and drops what is not kept; unacknowledged events are sent again."""
        for process in self.processes.values():
            process.leases, process.bypassing, process.leased_bytes = {}, 0, 0
            running = {frame.delivery_id: fence for fence, frame in process.running.items()}
            kept = {one.old_fence: one.new_fence for one in self.bus.resume(process, running)}
            process.running = {kept[old]: frame for old, frame in process.running.items() if old in kept}
            self.bus.attach(process)
        for event, dedup in self.promises.published.values():
            if event.id not in self.promises.acknowledged:
                self.send(event, dedup)

    @rule(written=st.integers(0, 2), everything=st.booleans())
    def crash(self, written: int, everything: bool) -> None:
        """The kernel is killed, at any moment, or all processes with it; groups on their way reach the disk or not."""

        async def die() -> None:
            self.log.cut(written)
            for _ in range(3):
                await asyncio.sleep(0)
            self.committing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self.committing
            await self.log.reopened()

        self.loop.run_until_complete(die())
        # Timers of the dead kernel must not fire into the next one.
        for timer in list(self.loop._scheduled):  # type: ignore[attr-defined]
            timer.cancel()
        if everything:
            for process in self.processes.values():
                process.running.clear()
        self.start()

    @rule()
    def hold_the_disk(self) -> None:
        self.log.held = True

    @rule()
    @played
    def let_the_disk_go(self) -> None:
        self.log.let_go()

    @rule(times=st.integers(1, 3))
    def fail_the_disk(self, times: int) -> None:
        self.log.failing = times

    @rule(seconds=st.sampled_from([0.3, 1.5, 6.0, 70.0]))
    @played
    def wait(self, seconds: float) -> None:
        """Time passes; the kernel's tick runs."""
        self.steady += seconds
        self.wall += seconds
        self.loop.now += seconds
        before = {p.plugin: dict(p.running) for p in self.processes.values()}
        self.bus.tick()
        for process in self.processes.values():
            for fence, frame in before[process.plugin].items():
                if fence not in process.running:
                    step = step_of(frame)
                    self.promises.failed[step] = self.promises.failed.get(step, 0) + 1

    @rule(seconds=st.sampled_from([-3_000.0, -1.0, 1.0, 3_000.0]))
    def set_the_clock(self, seconds: float) -> None:
        self.wall += seconds

    # Adapters --------------------------------------------------------------------------------------------------------

    @rule(bot=st.sampled_from(sorted(CHAINS)), lane=st.sampled_from(LANES), keyed=st.booleans())
    @played
    def publish(self, bot: str, lane: str, keyed: bool) -> None:
        self.number += 1
        event = event_pb2.Event(id=f"e{self.number}", type="message.received", bot=bot)
        event.chat.id, event.chat.type = lane, 1
        dedup = f"k{self.number}" if keyed else ""
        self.promises.published[event.id] = event, dedup
        self.send(event, dedup)

    @precondition(lambda self: self.promises.published)
    @rule(data=st.data())
    @played
    def publish_again(self, data: st.DataObject) -> None:
        """The same event by the same adapter, or the same occurrence under another id."""
        event, dedup = self.promises.published[data.draw(st.sampled_from(sorted(self.promises.published)))]
        if not dedup:
            self.send(event, "")
        elif event.id in self.promises.acknowledged:
            self.number += 1
            again = event_pb2.Event()
            again.CopyFrom(event)
            again.id = f"again{self.number}"
            self.send(again, dedup)

    def send(self, event: event_pb2.Event, dedup: str) -> None:
        boot = self.boots

        def answer(error: error_pb2.Error | None) -> None:
            assert error is None
            if boot == self.boots:
                self.promises.acknowledged.add(event.id)

        copy = event_pb2.Event()
        copy.CopyFrom(event)
        self.bus.publish("a", copy, dedup_key=dedup, horizon=1e6, answer=answer)

    # Handlers --------------------------------------------------------------------------------------------------------

    @rule(plugin=st.sampled_from(["h", "o"]))
    @played
    def start_process(self, plugin: str) -> None:
        if plugin not in self.processes:
            self.processes[plugin] = Process(plugin, self.offered)
            self.bus.attach(self.processes[plugin])

    @precondition(lambda self: self.processes)
    @rule(data=st.data(), counted=st.booleans())
    @played
    def end_process(self, data: st.DataObject, counted: bool) -> None:
        """It dies, or is asked to end."""
        process = self.processes.pop(data.draw(st.sampled_from(sorted(self.processes))))
        if counted:
            for frame in process.running.values():
                self.promises.lost[step_of(frame)] = self.promises.lost.get(step_of(frame), 0) + 1
        self.bus.lost(self.bus.detach(process), "the test ended it", counted=counted)
        self.bus.turns.flush()

    def work(self) -> list[tuple[Process, int]]:
        """Every delivery that a process works on, by its fence."""
        return [(process, fence) for process in self.processes.values() for fence in sorted(process.running)]

    def drawn(self, data: st.DataObject) -> tuple[Process, int, frame_pb2.Delivery]:
        """Some of that work."""
        process, fence = data.draw(st.sampled_from(self.work()))
        return process, fence, process.running[fence]

    @precondition(lambda self: self.work())
    @rule(data=st.data(), stop=st.booleans(), emits=st.sampled_from([0, 0, 0, 1]))
    @played
    def finish(self, data: st.DataObject, stop: bool, emits: int) -> None:
        process, fence, frame = self.drawn(data)
        emits = emits if frame.event.depth < 2 else 0
        done = frame_pb2.Done(stop=stop, emits=[frame_pb2.Emit(type="h.made")] * emits)
        boot = self.boots

        def answer(error: error_pb2.Error | None) -> None:
            if boot != self.boots:
                return
            process.running.pop(fence, None)
            if error is None:
                self.promises.done.add(step_of(frame))
                self.promises.emitted.update(f"{frame.delivery_id}.{index}" for index in range(emits))
                if stop:
                    self.promises.stopped.add(frame.event.id)
            else:
                assert error.reason == "LEASE_LOST", error

        self.bus.settle(process, frame_pb2.Settle(fence=fence, done=done), answer)

    @precondition(lambda self: self.work())
    @rule(data=st.data(), retryable=st.booleans())
    @played
    def give_up(self, data: st.DataObject, retryable: bool) -> None:
        process, fence, frame = self.drawn(data)
        error = error_pb2.Error(reason="HANDLER_FAILED", retryable=retryable)
        settle = frame_pb2.Settle(fence=fence, nack=frame_pb2.Nack(error=error))
        answers: list[error_pb2.Error | None] = []
        process.running.pop(fence)
        if fence in process.leases:
            if retryable:
                step = step_of(frame)
                self.promises.failed[step] = self.promises.failed.get(step, 0) + 1
            else:
                self.promises.refused.add(step_of(frame))
        self.bus.settle(process, settle, answers.append)
        assert len(answers) == 1
        self.bus.turns.flush()

    @precondition(lambda self: self.work())
    @rule(data=st.data(), key=st.sampled_from(["k1", "k2"]))
    @played
    def call(self, data: st.DataObject, key: str) -> None:
        """A call ends under the delivery; its result is there for every later attempt."""
        process, fence, frame = self.drawn(data)
        delivery = process.leases.get(fence)
        if delivery is None:
            return
        boot, step = self.boots, step_of(frame)

        def recorded() -> None:
            if boot == self.boots:
                self.promises.recorded.setdefault(step, set()).add(key)

        self.bus.record(delivery, journal_pb2.CallRecord(step=step[1], key=key, body=b"r"), recorded)

    # What must hold --------------------------------------------------------------------------------------------------

    def offered(self, process: Process, frame: frame_pb2.Delivery) -> None:
        """Called for every offer, by whatever part of the bus makes it."""
        try:
            self.fits(process, frame)
        except AssertionError as broken:
            self.wrong.append(str(broken))

    def fits(self, process: Process, frame: frame_pb2.Delivery) -> None:
        """Whether an offer agrees with what was promised."""
        step, promises = step_of(frame), self.promises
        assert step not in promises.done, f"{step} was confirmed and comes again"
        assert frame.event.id not in promises.stopped
        assert step not in promises.refused or step in self.unwritten(), f"{step} was refused for good"
        assert frame.attempt <= promises.failed.get(step, 0) + 1
        assert frame.crashes <= promises.lost.get(step, 0)
        known = set(process.leases[frame.fence].calls)
        assert promises.recorded.get(step, set()) <= known, f"{step} forgot a recorded call"
        self.in_order(process, frame)

    def unwritten(self) -> set[Step]:
        """Steps without a terminal outcome on the disk: their end was not promised yet."""
        return {step for step in self.promises.refused if step not in self.outcomes()}

    def in_order(self, process: Process, frame: frame_pb2.Delivery) -> None:
        """Nothing earlier of the lane is still to come to this handler."""
        step = step_of(frame)
        ended = self.outcomes()
        for event, _ in self.accepted().values():
            if event.id == frame.event.id:
                return
            if (
                ledger.lane_of(event) == ledger.lane_of(frame.event)
                and handler_of(event, step[1]) == process.plugin
            ):
                assert self.passed(event, step[1], ended), f"{frame.event.id} overtakes {event.id}"

    def passed(self, event: event_pb2.Event, step: int, ended: dict[Step, journal_pb2.OutcomeRecord]) -> bool:
        """Whether the step of an event is over, also because its chain ended before it."""
        for number in range(step + 1):
            outcome = ended.get((event.id, number))
            if outcome is None:
                return False
            if outcome.stop:
                return True
        return True

    def accepted(self) -> dict[str, tuple[event_pb2.Event, int]]:
        """Events on the disk that rules see, by id, in the order of the log, with their sequences."""
        found = {}
        for sequence, record in self.log._log.items():
            if record.kind == ledger.ACCEPTED:
                body = journal_pb2.AcceptedRecord.FromString(record.body)
                if body.plugin != "kernel":
                    found[body.event.id] = body.event, sequence
        return found

    def outcomes(self) -> dict[Step, journal_pb2.OutcomeRecord]:
        """Terminal outcomes on the disk. Each step has one at most."""
        found: dict[Step, journal_pb2.OutcomeRecord] = {}
        for record in self.log._log.values():
            if record.kind == ledger.OUTCOME:
                body = journal_pb2.OutcomeRecord.FromString(record.body)
                if body.state != journal_pb2.DELIVERY_STATE_READY:
                    assert (record.ref, body.step) not in found, f"{record.ref} step {body.step} ended twice"
                    found[record.ref, body.step] = body
        return found

    @invariant()
    def nothing_broke(self) -> None:
        """No callback of the loop raised, and the kernel still commits."""
        assert not self.wrong
        assert not self.boots or not self.committing.done()

    @invariant()
    def promises_are_on_the_disk(self) -> None:
        accepted, ended = self.accepted(), self.outcomes()
        known = {dedup for event, dedup in self.promises.published.values() if event.id in accepted and dedup}
        for event_id in self.promises.acknowledged:
            if event_id in self.promises.published:
                assert event_id in accepted
        assert self.promises.done <= ended.keys()
        assert self.promises.emitted <= accepted.keys()
        assert len(known) == len({d for e, d in self.promises.published.values() if e.id in accepted and d})
        assert not [one for one in accepted if one.startswith("again")], "an occurrence was stored twice"

    def teardown(self) -> None:
        """The faults end, and everything that was promised is finished."""
        try:
            if self.boots:
                self.heal()
        finally:
            self.loop.play(self.committing.cancel)
            self.loop.close()
            asyncio.set_event_loop(None)
            self.patch.stop()

    def heal(self) -> None:
        self.log.failing = 0
        self.let_the_disk_go()
        for plugin in ("h", "o"):
            self.start_process(plugin)
        for _ in range(40):
            self.wait(70.0)
            self.finish_all()
            ended = self.outcomes()
        for event, _ in self.accepted().values():
            last = len(CHAINS[event.bot]) - 1
            assert self.passed(event, last, ended), f"{event.id} never ended"
        for event, _ in self.promises.published.values():
            assert event.id in self.accepted(), f"{event.id} was never stored"
        for step, outcome in ended.items():
            if outcome.state == journal_pb2.DELIVERY_STATE_DEAD:
                self.explained(step, outcome)
        assert not self.bus.runs
        assert not self.bus.open
        self.nothing_broke()

    @played
    def finish_all(self) -> None:
        for process in self.processes.values():
            for fence in list(process.running):
                settle = frame_pb2.Settle(fence=fence, done=frame_pb2.Done())
                process.running.pop(fence)
                self.bus.settle(process, settle, lambda error: None)
        self.bus.turns.flush()

    def explained(self, step: Step, outcome: journal_pb2.OutcomeRecord) -> None:
        """A dead letter has its cause."""
        reason = outcome.error.reason
        if reason == "POISON":
            assert self.promises.lost.get(step, 0) >= 3
        elif reason == "ATTEMPTS_EXHAUSTED":
            assert self.promises.failed.get(step, 0) >= 5
        else:
            assert reason == "HANDLER_FAILED"
            assert step in self.promises.refused


def step_of(frame: frame_pb2.Delivery) -> Step:
    event_id, _, step = frame.delivery_id.rpartition(".")
    return event_id, int(step)


def handler_of(event: event_pb2.Event, step: int) -> str:
    """Who handles that step of the event; nobody when its chain is shorter."""
    handlers = CHAINS[event.bot]
    return handlers[step] if step < len(handlers) else ""


TestBus = pytest.mark.timeout(600)(pytest.mark.slow(BusMachine.TestCase))
LONG = int(os.environ.get("JACKFIELD_EXAMPLES", "0"))
"""So many random plays instead of the same few of every run; see `make fuzz`."""
TestBus.settings = settings(
    max_examples=LONG or 150, stateful_step_count=60, deadline=None, derandomize=not LONG
)
