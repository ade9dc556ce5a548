"""`plugin upgrade`: the new version serves before the old one ends, a broken one changes nothing, and there is a way back."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import grpc
import psutil
import pytest
from jackfield.v1 import adapter_message_pb2, admin_pb2, frame_pb2

from tests.rig.kernel import Rig, adapter_manifest, declared, routes, rule, running
from tests.rig.raw import RawPlugin, message_event

pytestmark = [pytest.mark.integration, pytest.mark.slow]

MANIFEST = """\
manifest: 1
name: worker
version: {version}
contract: 1
kind: {kind}
title: A worker
description: A plugin of a test.
run: {{python: worker}}
provides: {provides}
grants: [{grants}]
"""

HANDLER = """\
import asyncio
from pathlib import Path
from jackfield_sdk import Context, Event, Plugin

plugin = Plugin("worker", version="{version}")

@plugin.on("message.received")
async def work(ctx: Context, event: Event) -> None:
    if event.text == "slow":
        gate = Path("{gate}")
        while not gate.exists():
            await asyncio.sleep(0.02)
    await ctx.reply("{version} " + event.text)

plugin.run()
"""


def version(folder: Path, number: str, code: str = HANDLER, **manifest: str) -> Path:
    """A version of the plugin in a folder of its own."""
    place = folder / f"worker-{number}" / "worker"
    place.mkdir(parents=True)
    (place / "__main__.py").write_text(code.format(version=number, gate=folder / "gate"))
    fields = {"kind": "handler", "provides": "{services: [jackfield.v1.Handler]}", "grants": "reply"}
    (place / "jackfield-plugin.yaml").write_text(MANIFEST.format(version=number, **{**fields, **manifest}))
    return place.parent


async def installed(rig: Rig, place: Path) -> None:
    """Install and start; trusted, so that no sandbox is asked for."""
    await rig.admin.InstallPlugin(admin_pb2.InstallPluginRequest(path=str(place)))
    await rig.admin.TrustPlugin(admin_pb2.TrustPluginRequest(name="worker"))
    await rig.admin.EnablePlugin(admin_pb2.EnablePluginRequest(name="worker", approve=True))
    await rig.until(lambda status: state(status) == "ACTIVE")


def state(status: admin_pb2.Status) -> str:
    return next((one.state for one in status.plugins if one.name == "worker"), "")


def pid(status: admin_pb2.Status) -> int:
    return next(int(one.pid) for one in status.plugins if one.name == "worker")


async def upgrade(rig: Rig, **request: Any) -> list[str]:
    """Run an upgrade to its end; returns its steps."""
    steps = []
    async for response in rig.admin.UpgradePlugin(admin_pb2.UpgradePluginRequest(name="worker", **request)):
        if response.step:
            steps.append(admin_pb2.UpgradeStep.Name(response.step).removeprefix("UPGRADE_STEP_"))
    return steps


async def replies(adapter: RawPlugin, count: int) -> list[str]:
    """What the handler said so far, once it said so much."""
    async with asyncio.timeout(10):
        while (
            len(found := [text_of(call) for call in adapter.served if "ReplyMessage" in call.method]) < count
        ):
            await asyncio.sleep(0.01)
    return found


def text_of(call: frame_pb2.CallOpen) -> str:
    request = adapter_message_pb2.ReplyMessageRequest.FromString(call.body)
    return "".join(segment.text.text for segment in request.message.segments)


async def test_the_new_version_takes_over_while_the_old_one_finishes_what_it_has(tmp_path: Path) -> None:
    async with running(tmp_path, config={"routes": routes(b=[rule("worker")])}) as rig:
        adapter = await rig.adapter()
        await installed(rig, version(tmp_path, "1.0.0"))
        before = pid(await rig.status())
        await adapter.publish(message_event("b", "slow", chat="c1"))
        await rig.until(lambda status: status.bus.leased == 1)
        upgrading = asyncio.create_task(upgrade(rig, path=str(version(tmp_path, "2.0.0"))))
        await rig.until(lambda status: pid(status) not in (0, before))
        # The old process still works on its message; another conversation is answered by the new one.
        await adapter.publish(message_event("b", "quick", chat="c2"))
        assert await replies(adapter, 1) == ["2.0.0 quick"]
        assert not upgrading.done()
        (tmp_path / "gate").touch()
        assert await upgrading == ["STARTING", "READY", "DRAINING", "DONE"]
        assert await replies(adapter, 2) == ["2.0.0 quick", "1.0.0 slow"]
        status = await rig.until(lambda status: status.bus.done == 2)
        assert (status.bus.dead, status.bus.accepted) == (0, 2)


async def test_a_version_that_does_not_start_changes_nothing_and_says_why(tmp_path: Path) -> None:
    async with running(tmp_path, config={"routes": routes(b=[rule("worker")])}) as rig:
        adapter = await rig.adapter()
        await installed(rig, version(tmp_path, "1.0.0"))
        before = pid(await rig.status())
        broken = version(tmp_path, "2.0.0", code="raise SystemExit('no such {version} thing')\n")
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await upgrade(rig, path=str(broken))
        assert "did not become ready" in str(refused.value.details())
        assert pid(await rig.status()) == before
        await adapter.publish(message_event("b", "hello"))
        assert await replies(adapter, 1) == ["1.0.0 hello"]
        # The next try works, and the broken one left nothing behind that is in its way.
        assert (await upgrade(rig, path=str(version(tmp_path, "3.0.0"))))[-1] == "DONE"
        await adapter.publish(message_event("b", "hello"))
        assert (await replies(adapter, 2))[-1] == "3.0.0 hello"


async def test_the_way_back_leads_to_the_folder_before(tmp_path: Path) -> None:
    async with running(tmp_path, config={"routes": routes(b=[rule("worker")])}) as rig:
        adapter = await rig.adapter()
        await installed(rig, version(tmp_path, "1.0.0"))
        await upgrade(rig, path=str(version(tmp_path, "2.0.0")))
        await upgrade(rig, back=True)
        await adapter.publish(message_event("b", "hello"))
        assert await replies(adapter, 1) == ["1.0.0 hello"]
    # What serves is known to the next kernel too.
    async with running(tmp_path, config={"routes": routes(b=[rule("worker")])}) as rig:
        adapter = await rig.adapter()
        await rig.until(lambda status: state(status) == "ACTIVE")
        await adapter.publish(message_event("b", "again"))
        assert await replies(adapter, 1) == ["1.0.0 again"]


async def test_more_grants_wait_for_an_approval(tmp_path: Path) -> None:
    async with running(tmp_path, config={"routes": routes(b=[rule("worker")])}) as rig:
        await installed(rig, version(tmp_path, "1.0.0"))
        greedy = str(version(tmp_path, "2.0.0", grants="reply, send"))
        stream = rig.admin.UpgradePlugin(admin_pb2.UpgradePluginRequest(name="worker", path=greedy))
        answers = [response async for response in stream]
        assert [list(answer.requested_grants) for answer in answers] == [["send"]]
        assert (await upgrade(rig, path=greedy, approve=True))[-1] == "DONE"
        found = await rig.admin.GetPlugin(admin_pb2.GetPluginRequest(name="worker"))
        assert sorted(found.grants) == ["reply", "send"]


async def test_a_kernel_that_ends_between_the_two_keeps_the_one_that_serves(tmp_path: Path) -> None:
    plugins = declared(tmp_path, adapter_manifest())
    config = {"plugins": plugins, "routes": routes(b=[rule("worker")])}
    async with running(tmp_path, config=config) as first:
        adapter = await first.declared("a")
        await first.until_bots("b")
        await installed(first, version(tmp_path, "1.0.0"))
        old = pid(await first.status())
        await adapter.publish(message_event("b", "slow", chat="c1"))
        await first.until(lambda status: status.bus.leased == 1)
        request = admin_pb2.UpgradePluginRequest(name="worker", path=str(version(tmp_path, "2.0.0")))
        stream = first.admin.UpgradePlugin(request)
        while (await stream.read()).step != admin_pb2.UPGRADE_STEP_DRAINING:
            pass
        serving = pid(await first.status())
        await first.hand_over()
        await adapter.close()
    (tmp_path / "gate").touch()
    async with running(tmp_path, config=config) as second:
        await second.declared("a", resume=adapter, open_bots=["b"])
        status = await second.until(lambda status: state(status) == "ACTIVE")
        assert pid(status) == serving != old
        # What only the old one ran is done by the one that serves.
        assert await replies(adapter, 1) == ["2.0.0 slow"]
        await adapter.publish(message_event("b", "more", chat="c2"))
        assert await replies(adapter, 2) == ["2.0.0 slow", "2.0.0 more"]
        async with asyncio.timeout(10):
            while psutil.pid_exists(old) and psutil.Process(old).status() != psutil.STATUS_ZOMBIE:
                await asyncio.sleep(0.02)
        await adapter.close()


async def test_an_upgrade_under_way_refuses_other_verbs_and_holds_up_no_restart(tmp_path: Path) -> None:
    async with running(tmp_path, config={"routes": routes(b=[rule("worker")])}) as rig:
        await installed(rig, version(tmp_path, "1.0.0"))
        sleepy = version(tmp_path, "2.0.0", code="import time\ntime.sleep(60)\n")
        stream = rig.admin.UpgradePlugin(admin_pb2.UpgradePluginRequest(name="worker", path=str(sleepy)))
        assert (await stream.read()).step == admin_pb2.UPGRADE_STEP_STARTING
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await rig.admin.RestartPlugin(admin_pb2.RestartPluginRequest(name="worker"))
        assert "is being upgraded" in str(refused.value.details())
        await asyncio.wait_for(rig.hand_over(), 5)
    # What neither version may leave behind is ended by the next kernel, or goes on under it.
    async with running(tmp_path, config={"routes": routes(b=[rule("worker")])}) as rig:
        await rig.until(lambda status: state(status) == "ACTIVE")


async def test_bots_of_an_adapter_move_one_by_one_with_their_checkpoints(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        await installed(rig, version(tmp_path, "1.0.0", ADAPTER, **ADAPTER_MANIFEST))
        await rig.until_bots("one", "two")
        steps = await upgrade(rig, path=str(version(tmp_path, "2.0.0", ADAPTER, **ADAPTER_MANIFEST)))
        assert steps == ["STARTING", "READY", "BOT", "BOT", "DRAINING", "DONE"]
        await rig.until_bots("one", "two")
        log = (tmp_path / "journal-of-bots").read_text().split()
        assert log == [
            *("1.0.0:open:one:", "1.0.0:open:two:"),
            *("1.0.0:close:one:HANDOVER", "2.0.0:open:one:mark-one"),
            *("1.0.0:close:two:HANDOVER", "2.0.0:open:two:mark-two"),
        ]


ADAPTER_MANIFEST = {
    "kind": "adapter",
    "provides": (
        "{services: [jackfield.v1.Adapter], platform: worker, intake: acknowledged, dedup_horizon: 1h,"
        " events: [message.received], apis: [send_message], default_bots: [{name: one}, {name: two}]}"
    ),
    "grants": "",
}

ADAPTER = """\
from pathlib import Path
from jackfield_sdk import Adapter, Bot, CloseReason, Plugin

LOG = Path("{gate}").with_name("journal-of-bots")

class Worker(Adapter):
    platform = "worker"

    def note(self, *words: str) -> None:
        with LOG.open("a") as file:
            file.write(":".join(("{version}", *words)) + "\\n")

    async def open_bot(self, bot: Bot) -> None:
        self.note("open", bot.name, bot.checkpoint.decode())

    async def close_bot(self, bot: Bot, reason: CloseReason) -> bytes:
        if reason is not CloseReason.SHUTDOWN:
            self.note("close", bot.name, reason.name)
        return b"mark-" + bot.name.encode()

plugin = Plugin("worker", version="{version}")
plugin.adapter(Worker())
plugin.run()
"""
