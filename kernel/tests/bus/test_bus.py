"""The bus alone, on a journal in memory: what sockets would only make slower to see."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from jackfield.v1 import error_pb2, event_pb2, frame_pb2, journal_pb2, router_pb2
from jackfield_kernel.bus import replay
from jackfield_kernel.bus.bus import Bus
from jackfield_kernel.bus.deadletters import DeadLetters
from jackfield_kernel.bus.housekeeping import Housekeeping
from jackfield_kernel.bus.model import Delivery
from jackfield_kernel.bus.replay import Replay
from jackfield_kernel.bus.turns import Turns
from jackfield_kernel.journal.clock import JournalClock
from jackfield_kernel.journal.journal import Journal
from jackfield_kernel.journal.log import Record, Unit
from jackfield_kernel.journal.memory import MemoryLog
from jackfield_kernel.journal.times import stamp
from jackfield_kernel.routing.tables import FILE, RouteTables


class Sink:
    """A session that keeps what it is given."""

    def __init__(self, plugin: str = "h", **window: int) -> None:
        self.plugin = plugin
        self.leases: dict[int, Delivery] = {}
        self.bypassing = 0
        self.leased_bytes = 0
        self.given: list[frame_pb2.Delivery] = []
        self.cancelled: list[int] = []
        self._window = frame_pb2.Credit(deliveries=64, bypass_deliveries=4, calls=8, bytes=1 << 20)
        self._window.MergeFrom(frame_pb2.Credit(**window))

    def window(self) -> frame_pb2.Credit:
        return self._window

    def deliver(self, frame: frame_pb2.Delivery) -> None:
        self.given.append(frame)

    def cancel(self, fence: int, error: error_pb2.Error, *, confirm: bool) -> None:
        self.cancelled.append(fence)

    def feed(self, fence: int, event: event_pb2.Event) -> None:
        raise AssertionError("nothing is steered here")


class House:
    """A bus with its journal and one rule for everything."""

    def __init__(
        self, log: MemoryLog, journal: Journal, clock: JournalClock, boot: int, steady: list[float]
    ) -> None:
        self.log, self.journal, self.clock, self.steady = log, journal, clock, steady
        routes = RouteTables()
        rule = router_pb2.Rule(id="all", event="*", handler="h")
        rule.timeout.FromSeconds(5)
        routes.push(router_pb2.RouteTable(bot="b", rules=[rule]), source=FILE)
        self.bus = Bus(journal, routes, clock, Turns(boot, steady=lambda: steady[0]))

    async def publish(self, *texts: str, chat: str = "c") -> None:
        for text in texts:
            event = event_pb2.Event(id=f"e-{text}", type="message.received", bot="b")
            event.chat.id, event.chat.type = chat, 1
            self.bus.publish("a", event, answer=lambda error: None)
        await self.journal.drained()

    async def settle(self, sink: Sink, fence: int, **outcome: object) -> list[error_pb2.Error | None]:
        answers: list[error_pb2.Error | None] = []
        self.bus.settle(
            sink, frame_pb2.Settle(fence=fence, **(outcome or {"done": frame_pb2.Done()})), answers.append
        )
        await self.journal.drained()
        return answers


@contextlib.asynccontextmanager
async def opened(log: MemoryLog) -> AsyncIterator[House]:
    info = await log.open()
    clock = JournalClock(info.journal_time, info.wall_time)
    journal = Journal(log, clock)
    committing = asyncio.create_task(journal.run())
    try:
        yield House(log, journal, clock, info.boot, [0.0])
    finally:
        committing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await committing
        await log.close()


@pytest.fixture
async def house() -> AsyncIterator[House]:
    async with opened(MemoryLog()) as house:
        yield house


def lose(house: House, sink: Sink, *, counted: bool) -> None:
    house.bus.lost(house.bus.detach(sink), "the process died", counted=counted)


async def test_a_third_lost_session_makes_a_dead_letter(house: House) -> None:
    await house.publish("x")
    for crashes in range(3):
        sink = Sink()
        house.bus.attach(sink)
        assert [one.crashes for one in sink.given] == [crashes]
        assert sink.given[0].attempt == 1
        lose(house, sink, counted=True)
        await house.journal.drained()
    assert house.bus.counters.dead == 1
    assert not house.bus.runs
    letter = journal_pb2.DeadRecord.FromString((await house.log.entries("dead"))[0][1].value)
    assert letter.outcome.error.reason == "POISON"


async def test_what_crashed_twice_is_leased_alone(house: House) -> None:
    await house.publish("bad", chat="one")
    for _ in range(2):
        sink = Sink()
        house.bus.attach(sink)
        lose(house, sink, counted=True)
        await house.journal.drained()
    await house.publish("good", chat="two")
    sink = Sink()
    house.bus.attach(sink)
    assert len(sink.given) == 1
    await house.settle(sink, sink.given[0].fence)
    assert len(sink.given) == 2


async def test_a_drain_counts_nothing(house: House) -> None:
    await house.publish("x")
    for _ in range(5):
        sink = Sink()
        house.bus.attach(sink)
        assert sink.given[0].crashes == 0
        lose(house, sink, counted=False)
    assert house.bus.counters.dead == 0


async def test_lanes_take_turns(house: House) -> None:
    await house.publish(*(f"a{number}" for number in range(5)), chat="busy")
    await house.publish("b0", chat="quiet")
    sink = Sink(deliveries=1)
    house.bus.attach(sink)
    order = []
    while len(order) < 6:
        delivery = sink.given[-1]
        order.append(delivery.event.id)
        await house.settle(sink, delivery.fence)
    assert order.index("e-b0") == 1
    assert [one for one in order if one.startswith("e-a")] == [f"e-a{number}" for number in range(5)]


async def test_an_attempt_that_takes_too_long_is_taken_back(house: House) -> None:
    await house.publish("x")
    sink = Sink()
    house.bus.attach(sink)
    house.steady[0] = 6.0
    house.bus.tick()
    assert sink.cancelled == [sink.given[0].fence]
    answers = await house.settle(sink, sink.given[0].fence)
    assert answers[0] is not None
    assert answers[0].reason == "LEASE_LOST"


async def test_a_full_lane_drops_and_counts(house: House) -> None:
    house.bus.limits.lane_waiting = 3
    await house.publish(*map(str, range(5)))
    assert house.bus.counters.dropped == 2


async def test_what_is_settled_is_forgotten(house: House) -> None:
    sink = Sink()
    house.bus.attach(sink)
    await house.publish(*map(str, range(20)))
    while sink.leases:
        await house.settle(sink, next(iter(sink.leases)))
    assert not house.bus.runs
    assert not house.bus.open
    assert not any(house.bus.turns._deadlines.values())
    assert not house.bus.turns.queue("h").lanes


async def test_retention_removes_what_is_settled_and_old_and_keeps_what_is_open(house: House) -> None:
    sink = Sink()
    house.bus.attach(sink)
    await house.publish("old")
    await house.settle(sink, sink.given[0].fence)
    chores = Housekeeping(house.bus, house.journal, house.log, house.clock, retention=-1.0)
    assert await chores._trim() == 3
    assert await house.log.scan() == []
    await house.publish("settled", "open", chat="x")
    await house.settle(sink, sink.given[1].fence)
    await chores._trim()
    # Removed by range: an outcome behind the oldest open event stays until that is settled.
    assert [one.record.ref for one in await house.log.scan(kinds=(1,))] == ["e-open"]
    recent = Housekeeping(house.bus, house.journal, house.log, house.clock, retention=3600.0)
    assert await recent._trim() == 0


async def test_an_event_that_was_routed_waits_behind_one_that_was_not(house: House) -> None:
    routes = RouteTables()
    sink = Sink()
    house.bus.attach(sink)
    house.bus._routes = house.bus.waiting._routes = routes
    for text in ("first", "second"):
        event = event_pb2.Event(id=f"e-{text}", type="message.received", bot="b")
        event.chat.id = "c"
        house.bus.publish("a", event, answer=lambda error: None)
        if text == "first":
            rule = router_pb2.Rule(id="all", event="*", handler="h")
            routes.push(router_pb2.RouteTable(bot="b", rules=[rule]), source=FILE)
    await house.journal.drained()
    assert [one.event.id for one in sink.given] == ["e-first"]
    await house.settle(sink, sink.given[0].fence)
    assert [one.event.id for one in sink.given] == ["e-first", "e-second"]
    assert house.bus.waiting.count == 0


async def test_a_merged_dead_letter_is_replayed_whole_also_after_a_restart() -> None:
    log = MemoryLog()
    async with opened(log) as house:
        rule = router_pb2.Rule(id="all", event="*", handler="h")
        rule.busy.mode = router_pb2.BUSY_MODE_MERGE
        rule.busy.max_merged = 3
        house.bus._routes.push(router_pb2.RouteTable(bot="b", rules=[rule]), source=FILE)
        sink = Sink()
        house.bus.attach(sink)
        await house.publish("1", "2", "3")
        nack = frame_pb2.Nack(error=error_pb2.Error(reason="HANDLER_FAILED"))
        await house.settle(sink, sink.given[0].fence, nack=nack)
        letters = DeadLetters(house.bus, log)
        assert await letters.replay([sink.given[0].delivery_id]) == 1
        assert [one.id for one in sink.given[1].merged] == ["e-2", "e-3"]
        lose(house, sink, counted=False)
    async with opened(log) as house:
        assert await Replay(house.bus, house.clock.now).run(log) == 1
        sink = Sink()
        house.bus.attach(sink)
        assert sink.given[0].event.id == "e-1"
        assert [one.id for one in sink.given[0].merged] == ["e-2", "e-3"]


async def test_a_restart_finds_the_state_it_left() -> None:
    log = MemoryLog()
    async with opened(log) as house:
        await house.publish("done", "open", "waiting")
        sink = Sink()
        house.bus.attach(sink)
        await house.settle(sink, sink.given[0].fence)
        call = journal_pb2.CallRecord(step=0, key="k", body=b"result")
        house.bus.record(sink.leases[sink.given[1].fence], call, lambda: None)
        lose(house, sink, counted=True)
        await house.journal.drained()
    async with opened(log) as house:
        assert await Replay(house.bus, house.clock.now).run(log) == 2
        sink = Sink()
        house.bus.attach(sink)
        (again,) = sink.given
        assert (again.event.id, again.crashes, again.attempt) == ("e-open", 1, 1)
        assert sink.leases[again.fence].calls["k"].record.body == b"result"


async def test_the_audit_trail_has_a_retention_of_its_own(house: House) -> None:
    sink = Sink()
    house.bus.attach(sink)
    audit = journal_pb2.AuditRecord(actor="admin", action="x")
    audit.time.CopyFrom(stamp(house.clock.now()))
    await house.journal.write(Unit((Record(6, "admin", audit.SerializeToString()),)))
    await house.publish("old")
    await house.settle(sink, sink.given[0].fence)
    chores = Housekeeping(house.bus, house.journal, house.log, house.clock, retention=-1.0, audit=3600.0)
    assert await chores._trim() == 3
    assert [one.record.kind for one in await house.log.scan()] == [6]
    chores = Housekeeping(house.bus, house.journal, house.log, house.clock, retention=-1.0, audit=-1.0)
    assert await chores._trim() == 1


async def test_a_dead_letter_goes_when_its_time_is_over(house: House) -> None:
    sink = Sink()
    house.bus.attach(sink)
    house.bus.limits.dead_kept = 100.0
    await house.publish("x")
    await house.settle(sink, sink.given[0].fence, nack=frame_pb2.Nack(error=error_pb2.Error(reason="X")))
    (entry,) = [entry for _, entry in await house.log.entries("dead")]
    assert 90.0 < entry.expires_at - house.clock.now() <= 100.0
    await house.log.commit([], [], entry.expires_at + 1)
    assert await DeadLetters(house.bus, house.log).list() == []


async def test_one_old_open_event_does_not_make_a_restart_read_everything(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(replay, "FAR_BEHIND", 10)
    log = MemoryLog()
    async with opened(log) as house:
        sink = Sink()
        house.bus.attach(sink)
        await house.publish("old")
        await house.settle(sink, sink.given[0].fence, nack=nack_later())
        await house.publish(*map(str, range(20)), chat="x")
        for number in range(20):
            await house.settle(sink, sink.given[number + 1].fence)
        chores = Housekeeping(house.bus, house.journal, house.log, house.clock, retention=3600.0)
        chores.mark()
        await house.publish("after", chat="y")
    read: list[int] = []
    whole = log.replay

    def reading(from_sequence: int) -> object:
        read.append(from_sequence)
        return whole(from_sequence)

    async with opened(log) as house:
        monkeypatch.setattr(log, "replay", reading)
        assert await Replay(house.bus, house.clock.now).run(log) == 2
        assert list(house.bus.runs) == ["e-old", "e-after"]
        assert house.bus.low_mark() == 1
        (waiting,) = [one for one in house.bus.open if one.run.event.id == "e-old"]
        assert waiting.attempt == 1
    assert read[0] > 60


def nack_later() -> frame_pb2.Nack:
    nack = frame_pb2.Nack(error=error_pb2.Error(reason="X", retryable=True))
    nack.retry_after.FromSeconds(3600)
    return nack
