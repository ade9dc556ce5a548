"""What the operator can find out: an event's whole story, the audit trail, figures, and notices in a chat."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from google.protobuf.struct_pb2 import Struct
from jackfield.v1 import adapter_message_pb2, admin_pb2, frame_pb2

from tests.rig.kernel import Rig, handler_manifest, manifest, routes, rule, running
from tests.rig.raw import RawPlugin, message_event

SEND = "/jackfield.v1.Adapter/SendMessage"
REPLY = "/jackfield.v1.Adapter/ReplyMessage"
ROUTES = {"routes": routes(b=[rule()])}


async def told(rig: Rig, event_id: str) -> admin_pb2.GetEventResponse:
    return await rig.admin.GetEvent(admin_pb2.GetEventRequest(id=event_id))


async def audited(rig: Rig, **fields: object) -> list[admin_pb2.AuditEntry]:
    response = await rig.admin.ListAudit(admin_pb2.ListAuditRequest(**fields))  # type: ignore[arg-type]
    return list(response.entries)


async def until_audited(rig: Rig, count: int, **fields: object) -> list[admin_pb2.AuditEntry]:
    """Rows are written behind what they tell."""
    async with asyncio.timeout(10):
        while len(found := await audited(rig, **fields)) < count:
            await asyncio.sleep(0.01)
    return found


def sent() -> bytes:
    response = adapter_message_pb2.SendMessageResponse()
    response.result.message_id = "m1"
    return response.SerializeToString()


async def test_a_story_says_what_is_open_and_what_was_repeated(tmp_path: Path) -> None:
    async with running(tmp_path, memory=True, config=ROUTES) as rig:
        adapter = await rig.adapter()
        event = message_event("b", "x", event_id="0123456789abcdef")
        await adapter.publish(event, dedup_key="once")
        event.id = "another"
        await adapter.publish(event, dedup_key="once")
        await adapter.publish(message_event("b", "y", event_id="fedcba9876543210"))
        await adapter.durable()
        story = await told(rig, "01234567")
        assert story.accepted.dedup_key == "once"
        assert story.duplicates == 1
        assert len(story.accepted.event.trace) == 55
        assert (story.open.state, story.open.handler, story.open.ahead) == ("READY", "h", 0)
        assert (await told(rig, "fedcba98")).open.ahead == 1
        handler = await rig.plugin(handler_manifest())
        delivery = await handler.delivery()
        assert (await told(rig, "01234567")).open.state == "LEASED"
        await handler.done(delivery)
        await handler.done(await handler.delivery())
        await rig.until(lambda status: status.bus.done == 2)
        assert not (await told(rig, "01234567")).HasField("open")


async def test_a_story_tells_of_waiting_for_rules(tmp_path: Path) -> None:
    async with running(tmp_path, memory=True) as rig:
        adapter = await rig.adapter()
        await adapter.publish(message_event("b", "x", event_id="0123456789abcdef"))
        await adapter.durable()
        assert (await told(rig, "0123456789abcdef")).waiting == "no route table for bot b"


async def test_a_story_goes_from_the_parent_to_its_children_and_through_a_dead_letter(tmp_path: Path) -> None:
    async with running(tmp_path, config=ROUTES) as rig:
        adapter, handler = await rig.adapter(), await rig.plugin(handler_manifest())
        adapter.answers["ReplyMessage"] = sent()
        await adapter.publish(message_event("b", "x", event_id="0123456789abcdef"))
        delivery = await handler.delivery()
        await handler.call(REPLY, fence=delivery.fence, bot="b")
        data = Struct()
        data.update({"n": 1})
        await handler.done(delivery, emits=[frame_pb2.Emit(type="h.happened", data=data)])
        await rig.until(lambda status: status.bus.done == 1)
        story = await told(rig, "0123456789abcdef")
        assert [child.type for child in story.children] == ["h.happened"]
        call = next(one.call for one in story.records if one.HasField("call"))
        assert (call.caller, call.method, call.provider) == ("h", REPLY, "b")
        child = await told(rig, story.children[0].id)
        assert child.parent.id == "0123456789abcdef"
        assert child.accepted.event.trace == story.accepted.event.trace

        await adapter.publish(message_event("b", "bad", event_id="fedcba9876543210"))
        await handler.nack(await handler.delivery())
        await rig.until(lambda status: status.bus.dead == 1)
        story = await told(rig, "fedcba98")
        assert story.dead_letters == ["fedcba9876543210.0"]
        word = await told(rig, "fedcba9876543210.0.kernel")
        assert word.accepted.event.type == "kernel.dead_letter"
        assert word.accepted.event.custom.data["reason"] == "HANDLER_FAILED"
        await rig.admin.ReplayDeadLetters(admin_pb2.ReplayDeadLettersRequest())
        await handler.done(await handler.delivery())
        await rig.until(lambda status: status.bus.done == 2)
        story = await told(rig, "fedcba98")
        kinds = [one.WhichOneof("record") for one in story.records]
        assert kinds == ["routed", "outcome", "replayed", "routed", "outcome"]
        assert not story.dead_letters


async def test_a_story_of_a_member_names_the_delivery_that_it_went_into(tmp_path: Path) -> None:
    merging = rule(busy={"mode": "BUSY_MODE_MERGE", "window": "0.2s"})
    async with running(tmp_path, memory=True, config={"routes": routes(b=[merging])}) as rig:
        adapter, handler = await rig.adapter(), await rig.plugin(handler_manifest())
        for event_id in ("0123456789abcdef", "fedcba9876543210"):
            await adapter.publish(message_event("b", "x", event_id=event_id))
        await handler.done(await handler.delivery())
        await rig.until(lambda status: status.bus.done == 1)
        assert (await told(rig, "fedcba98")).merged_into == "0123456789abcdef.0"
        assert not (await told(rig, "01234567")).merged_into


async def test_who_did_what_is_written_and_a_flood_of_denials_is_counted(tmp_path: Path) -> None:
    async with running(tmp_path, memory=True, config=ROUTES) as rig:
        adapter = await rig.adapter()
        adapter.answers["SendMessage"] = sent()
        granted = await rig.plugin(handler_manifest("g", grants=["send"]))
        await granted.call(SEND, bot="b")
        (entry,) = await until_audited(rig, 1, plugin="g")
        assert (entry.actor, entry.action, entry.subject, entry.allowed) == ("g", SEND, "b", True)

        denied = await rig.plugin(handler_manifest("h", grants=["reply"]))
        before = (await rig.admin.GetFigures(admin_pb2.GetFiguresRequest())).last_sequence
        for _ in range(500):
            end = await denied.call(SEND, bot="b")
            assert end.error.reason == "GRANT_MISSING"
        entries = await until_audited(rig, 30, plugin="h", denied=True)
        assert {(one.action, one.reason, one.allowed) for one in entries} == {(SEND, "send", False)}
        after = (await rig.admin.GetFigures(admin_pb2.GetFiguresRequest())).last_sequence
        assert after - before == 30

        await rig.admin.SetBotEnabled(admin_pb2.SetBotEnabledRequest(name="b", enabled=False))
        (entry,) = [
            one for one in await until_audited(rig, 1, limit=200) if one.action.endswith("/SetBotEnabled")
        ]
        assert (entry.actor, entry.subject, entry.allowed) == ("operator", "b", True)
        await rig.admin.GetStatus(admin_pb2.GetStatusRequest())
        assert not [one for one in await audited(rig, limit=200) if one.action.endswith("/GetStatus")]


async def test_what_a_flood_was_counted_to_is_written_at_the_end(tmp_path: Path) -> None:
    async with running(tmp_path, config=ROUTES) as rig:
        await rig.adapter()
        denied = await rig.plugin(handler_manifest("h", grants=["reply"]))
        for _ in range(100):
            await denied.call(SEND, bot="b")
    async with running(tmp_path, config=ROUTES) as rig:
        entries = await audited(rig, plugin="h", denied=True, limit=1_000)
        assert sum(one.count for one in entries) == 100
        assert max(one.count for one in entries) == 70


async def test_figures_are_those_of_each_plugin(tmp_path: Path) -> None:
    async with running(tmp_path, memory=True, config=ROUTES) as rig:
        adapter, handler = await rig.adapter(), await rig.plugin(handler_manifest())
        for number in range(3):
            await adapter.publish(message_event("b", str(number)))
        await handler.done(await handler.delivery())
        await handler.delivery()
        await rig.until(lambda status: status.bus.done == 1)
        request = admin_pb2.GetFiguresRequest(processes=True, metrics=True)
        figures = await rig.admin.GetFigures(request)
        found = {one.name: one for one in figures.plugins}["h"]
        assert (found.done, found.leased, found.waiting, found.lanes) == (1, 1, 1, 1)
        assert figures.kernel_memory_bytes > 1e6
        assert 'jackfield_queue_deliveries{handler="h"} 1.0' in figures.metrics
        assert 'jackfield_plugins{state="ACTIVE"} 2.0' in figures.metrics
        assert "jackfield_journal_commit_seconds_bucket" in figures.metrics


def notices_are(state: str) -> Callable[[admin_pb2.Status], bool]:
    def holds(status: admin_pb2.Status) -> bool:
        return any(one.name == "notices" and one.state == state for one in status.plugins)

    return holds


async def until_served(adapter: RawPlugin, count: int) -> list[str]:
    async with asyncio.timeout(10):
        while len(adapter.served) < count:
            await asyncio.sleep(0.01)
    requests = [adapter_message_pb2.SendMessageRequest.FromString(call.body) for call in adapter.served]
    return ["".join(part.text.text for part in one.message.segments) for one in requests]


async def test_a_dead_letter_is_told_to_the_chosen_chat_also_when_nobody_listened_then(
    tmp_path: Path,
) -> None:
    config = {
        **ROUTES,
        "plugins": {"notices": {"config": {"target": "b:private:op", "every": "1h"}}},
    }
    async with running(tmp_path, config=config) as rig:
        adapter, handler = await rig.adapter(), await rig.plugin(handler_manifest())
        adapter.answers["SendMessage"] = sent()
        await rig.until(notices_are("ACTIVE"))
        await rig.admin.DisablePlugin(admin_pb2.DisablePluginRequest(name="notices"))
        for _ in range(3):
            await adapter.publish(message_event("b", "private words"))
            await handler.nack(await handler.delivery())
        await rig.until(lambda status: status.bus.dead == 3)
        adapter.served.clear()
        await rig.admin.EnablePlugin(admin_pb2.EnablePluginRequest(name="notices", approve=True))
        (text,) = await until_served(adapter, 1)
        assert "Dead letters: 3\n- h [HANDLER_FAILED] (× 3)" in text
        assert "private words" not in text
        assert adapter.served[0].target.chat.id == "op"


async def test_a_bot_that_failed_and_a_plugin_that_parked_are_events_for_observers_alone(
    tmp_path: Path,
) -> None:
    observer = manifest("o", "service", grants=["observe:kernel.*"], observes=["kernel.*"])
    async with running(tmp_path, memory=True, config={"routes": {"*": [rule(event="*")]}}) as rig:
        seen = await rig.plugin(observer)
        adapter = await rig.adapter()
        report = frame_pb2.BotReport(bot="b", state=frame_pb2.BOT_STATE_FAILED)
        report.reason.reason, report.reason.message = "AUTH_EXPIRED", "the token is old"
        await adapter.send(frame_pb2.Frame(report=frame_pb2.Report(bots=[report])))
        delivery = await seen.delivery()
        assert delivery.event.type == "kernel.bot_failed"
        assert delivery.event.plugin == "kernel"
        assert delivery.event.custom.data["bot"] == "b"
        status = await rig.status()
        assert (status.bus.accepted, status.bus.ready, status.bus.unrouted) == (0, 0, 0)
