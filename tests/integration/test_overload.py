"""More than can be handled: the right party is slowed, its neighbours are not, and nothing is lost."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

import psutil
import pytest
from jackfield.v1 import event_pb2, frame_pb2

from tests.rig.kernel import Rig, adapter_manifest, declared, handler_manifest, routes, rule, running
from tests.rig.raw import RawPlugin, message_event

TIGHT = {"limits": {"open_events": 20}, "routes": routes(loud=[rule()], calm=[rule("other")])}


def lane(bot: str, number: int, text: str = "x") -> event_pb2.Event:
    """A message in a chat of its own."""
    return message_event(bot, text, chat=f"c{number}")


def text_of(delivery: frame_pb2.Delivery) -> str:
    """What its message says."""
    return delivery.event.message_received.message.segments[0].text.text


async def paused(adapter: RawPlugin) -> list[str]:
    """The bots that the kernel says have to wait."""
    while True:
        credit = (await adapter.expect("credit")).credit
        if credit.HasField("paused"):
            return list(credit.paused.bots)


async def test_a_bot_whose_handler_is_away_waits_alone_and_goes_on_by_itself(tmp_path: Path) -> None:
    async with running(tmp_path, memory=True, config=TIGHT) as rig:
        adapter = await rig.adapter(bots=("loud", "calm"))
        for number in range(21):
            await adapter.publish(lane("loud", number))
        assert await paused(adapter) == ["loud"]
        await adapter.durable()
        (said,) = [one for one in (await rig.status()).problems if one.reason == "OVERLOADED"]
        assert "bot loud is pushed back: 21 of its events" in said.message
        other = await rig.plugin(handler_manifest("other"))
        await adapter.publish(lane("calm", 1, "nobody holds this up"))
        assert text_of(await other.delivery()) == "nobody holds this up"
        handler = await rig.plugin(handler_manifest())
        for _ in range(21):
            await handler.done(await handler.delivery())
        assert await paused(adapter) == []
        status = await rig.until(lambda status: status.bus.done == 21)
        assert not [one for one in status.problems if one.reason == "OVERLOADED"]


async def test_the_next_kernel_states_who_has_to_wait(tmp_path: Path) -> None:
    plugins = declared(tmp_path, adapter_manifest(bots=("loud",)), handler_manifest())
    config = {"plugins": plugins, "limits": {"open_events": 20}, "routes": routes(loud=[rule()])}
    async with running(tmp_path, config=config) as rig:
        adapter = await rig.declared("a")
        await rig.until_bots("loud")
        for number in range(21):
            await adapter.publish(lane("loud", number))
        await adapter.durable()
        await rig.hand_over()
    async with running(tmp_path, config=config) as rig:
        adapter = await rig.declared("a", resume=adapter, open_bots=["loud"])
        assert list(adapter.attached.credit.paused.bots) == ["loud"]


@pytest.mark.slow
async def test_who_does_not_wait_is_refused_in_the_end(tmp_path: Path) -> None:
    async with running(tmp_path, memory=True, config=TIGHT) as rig:
        adapter = await rig.adapter(bots=("loud", "calm"))
        for number in range(20 + 4_096 + 10):
            await adapter.publish(lane("loud", number))
            if number % 500 == 0:
                await adapter.durable()
        await adapter.durable()
        assert {error.reason for error in adapter.refused.values()} == {"OVERLOADED"}
        assert all(error.retryable for error in adapter.refused.values())
        assert (await rig.status()).bus.accepted + len(adapter.refused) == 20 + 4_096 + 10


async def test_a_handler_that_stops_reading_holds_up_nobody_else(tmp_path: Path) -> None:
    config = {"routes": routes(loud=[rule()], calm=[rule("other")])}
    async with running(tmp_path, memory=True, config=config) as rig:
        adapter = await rig.adapter(bots=("loud", "calm"))
        deaf, other = await rig.plugin(handler_manifest()), await rig.plugin(handler_manifest("other"))
        assert deaf._reader is not None
        deaf._reader.cancel()
        before = psutil.Process().memory_info().rss
        for number in range(300):
            await adapter.publish(lane("loud", number, "x" * 200_000))
        await adapter.durable()
        for number in range(20):
            await adapter.publish(lane("calm", number))
            await other.done(await other.delivery())
        status = await rig.until(lambda status: status.bus.done == 20)
        assert status.bus.ready >= 300 - 17 - 64
        # 60 MB of events, and what was leased of them once more on its way: at most 16 MiB.
        assert psutil.Process().memory_info().rss - before < 250 << 20


def writer_of(rig: Rig) -> psutil.Process:
    """The process that writes the journal. Children of earlier tests may be on their way out."""
    path = str(rig.data.journal)
    for child in psutil.Process().children():
        with contextlib.suppress(psutil.Error):
            if path in child.cmdline():
                return child
    raise AssertionError("the journal has no writer")


@pytest.mark.slow
async def test_a_disk_that_hangs_is_seen_and_nothing_is_acknowledged_meanwhile(tmp_path: Path) -> None:
    config = {"routes": routes(b=[rule()])}
    async with running(tmp_path, config=config) as rig:
        adapter, handler = await rig.adapter(), await rig.plugin(handler_manifest())
        writer = writer_of(rig)
        os.kill(writer.pid, signal.SIGSTOP)
        try:
            await adapter.publish(message_event("b", "during"))
            status = await rig.until(
                lambda status: [one for one in status.problems if "a commit of the journal" in one.message]
            )
            assert adapter.acked < adapter.sequence
            assert status.problems[0].remedy
        finally:
            os.kill(writer.pid, signal.SIGCONT)
        await adapter.durable()
        assert text_of(await handler.delivery()) == "during"
