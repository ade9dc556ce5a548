"""Nothing that came in is lost while the kernel is away."""

import asyncio
import json
from pathlib import Path

import pytest
from jackfield_onebot.adapter import build
from jackfield_sdk import BotState, CloseReason, Overloaded, PlatformEvent
from jackfield_sdk import spooling as intake_module
from jackfield_sdk.spool import Spool, Spooled
from jackfield_sdk.testing import FakeKernel
from simulated_onebot import World, message_of


def test_the_file_gives_back_what_was_put_in_and_skips_a_cut_line(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "new" / "x.jsonl")
    assert spool.load() == []
    spool.append([Spooled("1", "7", b'{\n"a": "\\n"}'), Spooled("2", "7", b"{}")])
    spool.append([Spooled("3", "7", b"{}")])
    path = tmp_path / "new" / "x.jsonl"
    path.write_bytes(path.read_bytes()[:-5])
    assert [(s.event_id, json.loads(s.frame)) for s in spool.load()] == [("1", {"a": "\n"}), ("2", {})]
    spool.clear()
    spool.clear()
    assert not path.exists()


async def test_what_the_last_process_left_is_published_first_and_the_file_goes(tmp_path: Path) -> None:
    async with FakeKernel() as kernel:
        async with kernel.running(build(), config={"port": 0}) as running:
            path = running.runtime.context.data_dir / "one.events.jsonl"
            frame = json.dumps({**message_of("private", "kept"), "self_id": 5}).encode()
            Spool(path).append([Spooled("0190-kept", "5", frame)])
            await kernel.open_bot("one")
            (published,) = await kernel.wait_published()
            assert (published.event.id, published.event.text) == ("0190-kept", "kept")
            await kernel.close_bot("one")
            assert not path.exists()


async def test_what_the_kernel_does_not_confirm_is_on_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jackfield_onebot.adapter.DRAIN_SECONDS", 0.05)
    async with FakeKernel() as kernel, kernel.running(build(), config={"port": 0}) as running:
        onebot = World(kernel, running)
        path = running.runtime.context.data_dir / "one.events.jsonl"
        await kernel.open_bot("one")
        async with onebot.client(5) as client:
            await kernel.wait_bot("one", BotState.ACTIVE)
            kernel.holds_acks = True
            await client.private("a")
            await client.private("b")
            await kernel.wait_published(2)
            await kernel.close_bot("one", CloseReason.LEASE_LOST)
        assert [json.loads(s.frame)["message"] for s in Spool(path).load()] == ["a", "b"]
        assert path.stat().st_mode & 0o777 == 0o600


async def test_an_overloaded_kernel_gets_the_event_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake_module, "RETRY_SECONDS", 0.01)
    refusals = [Overloaded("full"), Overloaded("full")]
    async with FakeKernel() as kernel, kernel.running(build(), config={"port": 0}) as running:
        kernel.refuse_publish = lambda event: refusals.pop() if refusals else None
        onebot = World(kernel, running)
        await kernel.open_bot("one")
        async with onebot.client() as client:
            await client.private("again")
            (published,) = await kernel.wait_published()
            assert published.event.text == "again"


async def test_what_is_lost_is_counted_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake_module, "MOST_EVENTS", 2)
    async with FakeKernel() as kernel, kernel.running(build(), config={"port": 0}) as running:
        onebot = World(kernel, running)
        await kernel.open_bot("one")
        async with onebot.client() as client:
            await kernel.wait_bot("one", BotState.ACTIVE)
            kernel.holds_acks = True
            for number in range(5):
                await client.private(str(number))
            await client.event(post_type="meta_event", meta_event_type="heartbeat")
            await kernel.wait_published(2)
            # The answer to an action proves that every frame before it was read.
            await kernel.call("one", "GetFriendList")
            kernel.holds_acks = False
            kernel.drop()
            published = await kernel.wait_published(3)
            payload = published[2].event.payload
            assert isinstance(payload, PlatformEvent)
            assert (payload.action, payload.data["lost"]) == ("gap", 3)
            assert published[2].event.type == "platform.onebot.gap"


async def test_heartbeats_are_published_on_demand() -> None:
    async with FakeKernel() as kernel:
        config = {"port": 0, "publish_heartbeats": True}
        async with kernel.running(build(), config=config) as running:
            await kernel.open_bot("one")
            async with World(kernel, running).client() as client:
                await client.event(post_type="meta_event", meta_event_type="heartbeat", interval=5000)
                (published,) = await asyncio.wait_for(kernel.wait_published(), 5)
                assert published.event.type == "platform.onebot.heartbeat"
