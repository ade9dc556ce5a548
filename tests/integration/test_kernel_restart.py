"""A kernel dies and another takes its place: what plugins still run goes on, once, in order, and nothing is asked of anybody."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from jackfield.v1 import adapter_message_pb2, frame_pb2

from tests.rig.kernel import Rig, adapter_manifest, declared, handler_manifest, routes, rule, running
from tests.rig.raw import RawPlugin, message_event

pytestmark = pytest.mark.integration

SEND = "/jackfield.v1.Adapter/SendMessage"


def config(folder: Path, **rule_fields: Any) -> dict[str, Any]:
    """An adapter and a handler that are processes of their own, whatever the kernel does."""
    plugins = declared(folder, adapter_manifest(), handler_manifest())
    return {"plugins": plugins, "routes": routes(b=[rule(**rule_fields)])}


async def both(rig: Rig) -> tuple[RawPlugin, RawPlugin]:
    """The adapter and the handler, ready."""
    adapter, handler = await rig.declared("a"), await rig.declared("h")
    await rig.until_bots("b")
    return adapter, handler


def running_now(*deliveries: frame_pb2.Delivery) -> list[frame_pb2.Running]:
    """What a handler states when it attaches again."""
    return [frame_pb2.Running(delivery_id=one.delivery_id, fence=one.fence) for one in deliveries]


async def test_a_running_delivery_goes_on_as_the_same_attempt_under_a_new_fence(tmp_path: Path) -> None:
    async with running(tmp_path, config=config(tmp_path)) as first:
        adapter, handler = await both(first)
        await adapter.publish(message_event("b", "one"))
        await adapter.publish(message_event("b", "two"))
        delivery = await handler.delivery()
        await adapter.durable()
        await first.hand_over()
        await handler.close()
        await adapter.close()
    async with running(tmp_path, config=config(tmp_path)) as second:
        await second.declared("h", resume=handler, running=running_now(delivery))
        (kept,) = handler.attached.kept
        assert kept.old_fence == delivery.fence
        assert kept.new_fence >> 40 == handler.attached.boot
        # The old fence is void, the lane's next delivery waits for this one.
        await handler.settle(frame_pb2.Settle(fence=delivery.fence, done=frame_pb2.Done()))
        refused = (await handler.expect("settled")).settled.refused
        assert [one.error.reason for one in refused] == ["LEASE_LOST"]
        assert handler.inbox.get("delivery") is None or handler.inbox["delivery"].empty()
        await handler.settle(frame_pb2.Settle(fence=kept.new_fence, done=frame_pb2.Done()))
        following = await handler.delivery()
        assert following.event.message_received.message.segments[0].text.text == "two"
        assert (following.attempt, following.crashes) == (1, 0)
        await handler.done(following)
        await second.until(lambda status: status.bus.done == 2)
        await handler.close()


async def test_what_was_settled_before_the_crash_is_not_kept(tmp_path: Path) -> None:
    async with running(tmp_path, config=config(tmp_path)) as first:
        adapter, handler = await both(first)
        await adapter.publish(message_event("b", "one"))
        delivery = await handler.delivery()
        await handler.done(delivery)
        await first.until(lambda status: status.bus.done == 1)
        await first.hand_over()
        await handler.close()
    async with running(tmp_path, config=config(tmp_path)) as second:
        await second.declared("h", resume=handler, running=running_now(delivery))
        assert not handler.attached.kept
        await handler.close()


async def test_a_process_that_runs_nothing_any_more_gets_the_delivery_anew(tmp_path: Path) -> None:
    async with running(tmp_path, config=config(tmp_path)) as first:
        adapter, handler = await both(first)
        await adapter.publish(message_event("b", "one"))
        delivery = await handler.delivery()
        await first.hand_over()
        await handler.close()
    async with running(tmp_path, config=config(tmp_path)) as second:
        await second.declared("h", resume=handler)
        again = await handler.delivery()
        assert (again.delivery_id, again.attempt, again.crashes) == (delivery.delivery_id, 1, 0)
        await handler.done(again)
        await handler.close()


async def test_calls_of_a_delivery_act_once_across_the_restart(tmp_path: Path) -> None:
    async with running(tmp_path, config=config(tmp_path)) as first:
        adapter, handler = await both(first)
        adapter.answers["SendMessage"] = sent("m1")
        await adapter.publish(message_event("b", "one"))
        delivery = await handler.delivery()
        await handler.call(SEND, body("x"), bot="b", fence=delivery.fence, key="named")
        await handler.call(SEND, body("y"), bot="b", fence=delivery.fence)
        # This one reached the adapter, and the kernel died before the answer.
        adapter.auto_serve = False
        await handler.call(SEND, body("z"), bot="b", fence=delivery.fence, key="cut", wait=False)
        cut = (await adapter.expect("call_open")).call_open
        await first.hand_over()
        await handler.close()
        await adapter.close()
    async with running(tmp_path, config=config(tmp_path)) as second:
        adapter.auto_serve, adapter.answers["SendMessage"] = True, sent("kept result")
        await second.declared("a", resume=adapter, open_bots=["b"])
        await second.declared("h", resume=handler, running=running_now(delivery))
        fence = handler.attached.kept[0].new_fence
        served = len(adapter.served)
        recorded = await handler.call(SEND, body("x"), bot="b", fence=fence, key="named")
        assert recorded.recorded
        assert recorded.body == sent("m1")
        assert len(adapter.served) == served
        answered = await handler.call(SEND, body("z"), bot="b", fence=fence, key="cut")
        assert answered.body == sent("kept result")
        assert not answered.possibly_repeated
        assert adapter.served[-1].caller.idempotency_key == cut.caller.idempotency_key
        # A further call without a key is a new one, not the unnamed one of before.
        further = await handler.call(SEND, body("w"), bot="b", fence=fence)
        assert not further.recorded
        await handler.settle(frame_pb2.Settle(fence=fence, done=frame_pb2.Done()))
        await second.until(lambda status: status.bus.done == 1)
        await handler.close()
        await adapter.close()


async def test_messages_that_came_while_a_merged_one_ran_stay_apart_from_it(tmp_path: Path) -> None:
    settings = config(tmp_path, busy={"mode": "BUSY_MODE_MERGE", "window": "0.100s"})
    async with running(tmp_path, config=settings) as first:
        adapter, handler = await both(first)
        await adapter.publish(message_event("b", "one"))
        delivery = await handler.delivery()
        await adapter.publish(message_event("b", "two"))
        await adapter.publish(message_event("b", "three"))
        await adapter.durable()
        await first.hand_over()
        await handler.close()
    async with running(tmp_path, config=settings) as second:
        await second.declared("h", resume=handler, running=running_now(delivery))
        await handler.settle(
            frame_pb2.Settle(fence=handler.attached.kept[0].new_fence, done=frame_pb2.Done())
        )
        seen: list[str] = []
        while len(seen) < 2:
            following = await handler.delivery()
            events = [following.event, *following.merged]
            seen += [event.message_received.message.segments[0].text.text for event in events]
            await handler.done(following)
        assert seen == ["two", "three"]
        await second.until(lambda status: status.bus.done in (2, 3) and not status.bus.ready)
        await handler.close()


async def test_a_refused_publish_uses_up_its_number_for_good(tmp_path: Path) -> None:
    async with running(tmp_path, config=config(tmp_path)) as first:
        adapter, _ = await both(first)
        await adapter.publish(message_event("b", "one"))
        await adapter.publish(message_event("not-a-bot-of-ours", "two"))
        await adapter.durable()
        assert adapter.refused[2].reason == "UNKNOWN_BOT"
        await first.hand_over()
        await adapter.close()
    async with running(tmp_path, config=config(tmp_path)) as second:
        await second.declared("a", resume=adapter, open_bots=["b"], acknowledged_sequence=2)
        assert adapter.attached.committed_sequence == 2
        assert not (await second.status()).problems
        await adapter.close()


async def test_an_idempotency_key_outside_a_delivery_outlives_the_kernel(tmp_path: Path) -> None:
    plugins = declared(tmp_path, adapter_manifest(), handler_manifest(grants=("reply", "send")))
    settings = {"plugins": plugins}
    async with running(tmp_path, config=settings) as first:
        adapter, handler = await both(first)
        adapter.answers["SendMessage"] = sent("m1")
        end = await handler.call(SEND, body("x"), bot="b", key="job-7", wait=True)
        assert end.body == sent("m1")
        assert not end.recorded
        await first.hand_over()
        await handler.close()
        await adapter.close()
    async with running(tmp_path, config=settings) as second:
        await second.declared("a", resume=adapter, open_bots=["b"])
        await second.declared("h", resume=handler)
        served = len(adapter.served)
        again = await handler.call(SEND, body("x"), bot="b", key="job-7")
        assert again.recorded
        assert again.body == sent("m1")
        changed = await handler.call(SEND, body("other"), bot="b", key="job-7")
        assert changed.recorded
        assert changed.request_changed
        assert len(adapter.served) == served
        await handler.close()
        await adapter.close()


async def test_a_cut_provider_stream_costs_nothing_while_its_process_lives(tmp_path: Path) -> None:
    async with running(tmp_path, config=config(tmp_path)) as rig:
        adapter, handler = await both(rig)
        adapter.auto_serve = False
        await adapter.publish(message_event("b", "one"))
        delivery = await handler.delivery()
        await handler.call(SEND, body("x"), bot="b", fence=delivery.fence, key="k", wait=False)
        before = (await adapter.expect("call_open")).call_open
        await adapter.close()
        adapter.auto_serve, adapter.answers["SendMessage"] = True, sent("kept")
        await rig.declared("a", resume=adapter, open_bots=["b"])
        end = (await handler.expect("call_end")).call_end
        assert end.body == sent("kept")
        assert not end.possibly_repeated
        again = next(one for one in adapter.served if one.method == SEND)
        assert again.caller.idempotency_key == before.caller.idempotency_key
        await adapter.close()


def body(text: str) -> bytes:
    """A SendMessage request."""
    request = adapter_message_pb2.SendMessageRequest()
    request.message.segments.add().text.text = text
    return request.SerializeToString()


def sent(message_id: str) -> bytes:
    """A SendMessage response."""
    response = adapter_message_pb2.SendMessageResponse()
    response.result.message_id = message_id
    return response.SerializeToString()
