"""A plugin that carries no bot publishes events of its own about one."""

from __future__ import annotations

from pathlib import Path

from jackfield.v1 import event_pb2

from tests.rig.kernel import handler_manifest, manifest, routes, rule, running
from tests.rig.raw import message_event


async def test_a_plugin_publishes_events_of_its_own_about_a_bot_where_it_may_send(tmp_path: Path) -> None:
    provides = {"event_types": {"due": {"schema": {"type": "object"}}}}

    def due(bot: str, name: str = "clock.due") -> event_pb2.Event:
        event = message_event(bot, "")
        event.custom.data.update({"job": "1"})
        event.type = name
        return event

    async with running(tmp_path, memory=True, config={"routes": routes(b=[rule(event="clock.due")])}) as rig:
        await rig.adapter()
        handler = await rig.plugin(handler_manifest())
        clock = await rig.plugin(manifest("clock", "service", grants=["send"], provides=provides))
        stranger = await rig.plugin(manifest("stranger", "service", provides=provides))
        event = due("b")
        good = [await clock.publish(event), await clock.publish(event)]
        foreign = await clock.publish(due("b", "other.due"))
        unknown = await clock.publish(due("nobody"))
        marked = await clock.publish(due("b"), checkpoint=b"5")
        await clock.durable()
        assert not set(good) & set(clock.refused)
        assert {clock.refused[one].reason for one in (foreign, unknown, marked)} == {"UNKNOWN_BOT"}
        delivery = await handler.delivery()
        assert (delivery.event.bot, delivery.event.plugin, delivery.event.chat.id) == ("b", "clock", "c1")
        assert delivery.event.platform == "a"
        refused = await stranger.publish(due("b", "stranger.due"))
        await stranger.durable()
        assert stranger.refused[refused].metadata["grant"] == "send"
        assert (await rig.status()).bus.accepted == 1
