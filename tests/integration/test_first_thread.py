"""One event from an adapter to a handler and back, over real sockets and a real journal."""

from __future__ import annotations

from pathlib import Path

from jackfield.v1 import adapter_message_pb2, admin_pb2

from tests.rig.kernel import handler_manifest, routes, rule, running
from tests.rig.raw import message_event

SEND = "/jackfield.v1.Adapter/SendMessage"


async def test_a_message_reaches_its_handler_and_the_reply_its_adapter(tmp_path: Path) -> None:
    async with running(tmp_path, config={"routes": routes(b=[rule()])}) as rig:
        adapter = await rig.adapter()
        result = adapter_message_pb2.SendMessageResponse()
        result.result.message_id = "m1"
        adapter.answers["SendMessage"] = result.SerializeToString()
        handler = await rig.plugin(handler_manifest())
        event = message_event("b", "hello")
        await adapter.publish(event)
        await adapter.durable()
        delivery = await handler.delivery()
        assert delivery.event.id == event.id
        assert delivery.event.platform == "a"
        assert delivery.attempt == 1
        request = adapter_message_pb2.SendMessageRequest()
        request.message.segments.add().text.text = "hello"
        end = await handler.call(SEND, request.SerializeToString(), bot="b", fence=delivery.fence)
        assert not end.HasField("error"), end.error
        assert adapter_message_pb2.SendMessageResponse.FromString(end.body).result.message_id == "m1"
        served = adapter.served[-1]
        assert served.target.chat.id == "c1"
        assert served.caller.plugin == "h"
        assert served.caller.delivery_id == delivery.delivery_id
        await handler.done(delivery)
        settled = (await handler.expect("settled")).settled
        assert list(settled.fences) == [delivery.fence]
        story = await rig.admin.GetEvent(admin_pb2.GetEventRequest(id=event.id))
        assert [one.WhichOneof("record") for one in story.records] == ["routed", "call", "outcome"]
        status = await rig.until(lambda status: status.bus.done == 1)
        assert status.bus.leased == status.bus.ready == 0
