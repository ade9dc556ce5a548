"""What `delivery.md` promises, shown over real sockets: attempts, crashes, order, settles, dead letters, calls."""

from __future__ import annotations

from pathlib import Path

import pytest
from jackfield.v1 import adapter_message_pb2, admin_pb2, frame_pb2, kernel_pb2, router_pb2

from tests.rig.kernel import Rig, handler_manifest, routes, rule, running
from tests.rig.raw import RawPlugin, message_event

SEND = "/jackfield.v1.Adapter/SendMessage"


def send_body(text: str) -> bytes:
    request = adapter_message_pb2.SendMessageRequest()
    request.message.segments.add().text.text = text
    return request.SerializeToString()


def sent(message_id: str) -> bytes:
    response = adapter_message_pb2.SendMessageResponse()
    response.result.message_id = message_id
    return response.SerializeToString()


async def story(rig: Rig, event_id: str) -> list[str]:
    response = await rig.admin.GetEvent(admin_pb2.GetEventRequest(id=event_id))
    return [one.WhichOneof("record") or "" for one in response.records]


async def test_a_retryable_nack_comes_back_with_the_next_attempt(tmp_path: Path) -> None:
    async with running(tmp_path, memory=True, config={"routes": routes(b=[rule()])}) as rig:
        adapter, handler = await rig.adapter(), await rig.plugin(handler_manifest())
        await adapter.publish(message_event("b", "x"))
        first = await handler.delivery()
        await handler.nack(first, retryable=True, after=0.05)
        second = await handler.delivery()
        assert (second.delivery_id, second.attempt) == (first.delivery_id, 2)
        assert second.fence != first.fence


async def test_a_permanent_nack_is_a_dead_letter_that_can_be_replayed(tmp_path: Path) -> None:
    async with running(tmp_path, config={"routes": routes(b=[rule()])}) as rig:
        adapter, handler = await rig.adapter(), await rig.plugin(handler_manifest())
        await adapter.publish(message_event("b", "x"))
        await handler.nack(await handler.delivery())
        await rig.until(lambda status: status.bus.dead == 1)
        dead = (await rig.admin.ListDeadLetters(admin_pb2.ListDeadLettersRequest())).dead_letters
        assert dead[0].error.reason == "HANDLER_FAILED"
        assert dead[0].event.text == "x"
        await rig.admin.ReplayDeadLetters(
            admin_pb2.ReplayDeadLettersRequest(delivery_ids=[dead[0].delivery_id])
        )
        again = await handler.delivery()
        assert again.delivery_id == dead[0].delivery_id
        await handler.done(again)
        await rig.until(lambda status: status.bus.done == 1 and status.bus.dead == 0)


async def test_five_attempts_are_all(tmp_path: Path) -> None:
    async with running(tmp_path, memory=True, config={"routes": routes(b=[rule()])}) as rig:
        adapter, handler = await rig.adapter(), await rig.plugin(handler_manifest())
        await adapter.publish(message_event("b", "x"))
        for attempt in range(1, 6):
            delivery = await handler.delivery()
            assert delivery.attempt == attempt
            await handler.nack(delivery, retryable=True, after=0.01)
        await rig.until(lambda status: status.bus.dead == 1)
        dead = (await rig.admin.ListDeadLetters(admin_pb2.ListDeadLettersRequest())).dead_letters
        assert dead[0].error.reason == "ATTEMPTS_EXHAUSTED"


async def test_one_lane_is_in_order_and_lanes_run_in_parallel(tmp_path: Path) -> None:
    async with running(tmp_path, memory=True, config={"routes": routes(b=[rule()])}) as rig:
        adapter, handler = await rig.adapter(), await rig.plugin(handler_manifest())
        for text in ("1", "2", "3"):
            await adapter.publish(message_event("b", text, chat="one"))
        await adapter.publish(message_event("b", "other", chat="two"))
        first, other = await handler.delivery(), await handler.delivery()
        assert {first.event.chat.id, other.event.chat.id} == {"one", "two"}
        if first.event.chat.id == "two":
            first, other = other, first
        order = [first.event.message_received.message.segments[0].text.text]
        await handler.done(other)
        for _ in range(2):
            await handler.done(first)
            first = await handler.delivery()
            order.append(first.event.message_received.message.segments[0].text.text)
        assert order == ["1", "2", "3"]


async def test_a_lost_session_gives_its_deliveries_back_as_the_same_attempt(tmp_path: Path) -> None:
    async with running(tmp_path, config={"routes": routes(b=[rule()])}) as rig:
        adapter = await rig.adapter()
        bootstrap = await rig.developed(handler_manifest())
        handler = await RawPlugin.from_file(bootstrap).connect()
        event = message_event("b", "x")
        await adapter.publish(event)
        first = await handler.delivery()
        await handler.close()
        again = await handler.connect()
        second = await again.delivery()
        assert (second.delivery_id, second.attempt) == (first.delivery_id, 1)
        await again.done(second)
        await rig.until(lambda status: status.bus.done == 1)
        await again.close()


async def test_a_process_that_attaches_again_keeps_what_it_still_runs(tmp_path: Path) -> None:
    async with running(tmp_path, memory=True, config={"routes": routes(b=[rule()])}) as rig:
        adapter = await rig.adapter()
        handler = await rig.plugin(handler_manifest())
        await adapter.publish(message_event("b", "x"))
        first = await handler.delivery()
        await handler.close()
        running_here = frame_pb2.Running(delivery_id=first.delivery_id, fence=first.fence)
        await handler.connect(attach=frame_pb2.Attach(running=[running_here]))
        assert [kept.old_fence for kept in handler.attached.kept] == [first.fence]
        await handler.settle(
            frame_pb2.Settle(fence=handler.attached.kept[0].new_fence, done=frame_pb2.Done())
        )
        await rig.until(lambda status: status.bus.done == 1)


async def test_a_stale_fence_is_refused_and_disturbs_nobody(tmp_path: Path) -> None:
    async with running(tmp_path, memory=True, config={"routes": routes(b=[rule()])}) as rig:
        adapter, handler = await rig.adapter(), await rig.plugin(handler_manifest())
        await adapter.publish(message_event("b", "x"))
        delivery = await handler.delivery()
        await handler.settle(frame_pb2.Settle(fence=delivery.fence + 7, done=frame_pb2.Done()))
        refused = (await handler.expect("settled")).settled.refused
        assert refused[0].error.reason == "LEASE_LOST"
        end = await handler.call(SEND, send_body("x"), bot="b", fence=delivery.fence + 7)
        assert end.error.reason == "LEASE_LOST"
        await handler.done(delivery)
        await rig.until(lambda status: status.bus.done == 1)


async def test_a_repeated_call_returns_the_recorded_result(tmp_path: Path) -> None:
    async with running(tmp_path, config={"routes": routes(b=[rule()])}) as rig:
        adapter, handler = await rig.adapter(), await rig.plugin(handler_manifest())
        adapter.answers["SendMessage"] = sent("m1")
        await adapter.publish(message_event("b", "x"))
        first = await handler.delivery()
        calls = [one for one in adapter.served if one.method == SEND]
        await handler.call(SEND, send_body("x"), bot="b", fence=first.fence, key="k")
        await handler.nack(first, retryable=True, after=0.01)
        second = await handler.delivery()
        adapter.answers["SendMessage"] = sent("m2")
        end = await handler.call(SEND, send_body("x"), bot="b", fence=second.fence, key="k")
        assert end.recorded
        assert adapter_message_pb2.SendMessageResponse.FromString(end.body).result.message_id == "m1"
        changed = await handler.call(SEND, send_body("y"), bot="b", fence=second.fence, key="k")
        assert changed.recorded
        assert changed.request_changed
        assert len([one for one in adapter.served if one.method == SEND]) == len(calls) + 1


async def test_a_call_without_a_grant_names_the_grant(tmp_path: Path) -> None:
    async with running(tmp_path, memory=True, config={"routes": routes(b=[rule()])}) as rig:
        adapter, handler = await rig.adapter(), await rig.plugin(handler_manifest(grants=["reply"]))
        await adapter.publish(message_event("b", "x"))
        delivery = await handler.delivery()
        other_chat = frame_pb2.CallTarget(bot="b")
        other_chat.chat.id, other_chat.chat.type = "elsewhere", 1
        await handler.send(
            frame_pb2.Frame(
                call_open=frame_pb2.CallOpen(
                    call_id=901, method=SEND, target=other_chat, half_closed=True, fence=delivery.fence
                )
            )
        )
        end = (await handler.expect("call_end")).call_end
        assert (end.error.reason, end.error.metadata["grant"]) == ("GRANT_MISSING", "send")
        kick = await handler.call("/jackfield.v1.Adapter/KickMember", bot="b", fence=delivery.fence)
        assert kick.error.metadata["grant"] == "manage"
        opened = await handler.call("/jackfield.v1.Adapter/OpenBot", bot="b", fence=delivery.fence)
        assert opened.error.reason == "GRANT_MISSING"
        unknown = await handler.call(SEND, bot="nobody", fence=delivery.fence)
        assert unknown.error.reason == "UNKNOWN_BOT"


async def test_a_call_to_an_adapter_that_is_away_waits_for_it(tmp_path: Path) -> None:
    async with running(tmp_path, memory=True, config={"routes": routes(b=[rule()])}) as rig:
        adapter, handler = await rig.adapter(), await rig.plugin(handler_manifest())
        await adapter.publish(message_event("b", "x"))
        delivery = await handler.delivery()
        await adapter.close()
        await rig.until(lambda status: status.bots[0].state != frame_pb2.BOT_STATE_ACTIVE)
        await handler.call(SEND, send_body("x"), bot="b", fence=delivery.fence, wait=False)
        adapter.answers["SendMessage"] = sent("late")
        await adapter.connect(attach=frame_pb2.Attach(open_bots=["b"]))
        end = (await handler.expect("call_end")).call_end
        assert not end.HasField("error"), end.error
        assert adapter_message_pb2.SendMessageResponse.FromString(end.body).result.message_id == "late"


async def test_an_adapter_lost_mid_call_leaves_the_outcome_unknown_or_repeats(tmp_path: Path) -> None:
    async with running(tmp_path, memory=True, config={"routes": routes(b=[rule()])}) as rig:
        adapter, handler = await rig.adapter(), await rig.plugin(handler_manifest())
        adapter.auto_serve = False
        await adapter.publish(message_event("b", "x"))
        delivery = await handler.delivery()
        await handler.call(SEND, send_body("1"), bot="b", fence=delivery.fence, key="fail", wait=False)
        await handler.call(
            SEND,
            send_body("2"),
            bot="b",
            fence=delivery.fence,
            key="repeat",
            on_unknown=frame_pb2.ON_UNKNOWN_REPEAT,
            wait=False,
        )
        await adapter.expect("call_open")
        await adapter.expect("call_open")
        await adapter.close()
        failed = (await handler.expect("call_end")).call_end
        assert failed.error.reason == "OUTCOME_UNKNOWN"
        adapter.auto_serve = True
        adapter.answers["SendMessage"] = sent("again")
        await adapter.connect(attach=frame_pb2.Attach(open_bots=["b"]))
        repeated = (await handler.expect("call_end")).call_end
        assert repeated.possibly_repeated
        assert adapter.served[-1].possibly_repeated


async def test_a_duplicate_occurrence_is_acknowledged_and_stored_once(tmp_path: Path) -> None:
    async with running(tmp_path, config={"routes": routes(b=[rule()])}) as rig:
        adapter, handler = await rig.adapter(), await rig.plugin(handler_manifest())
        for text in ("first", "again"):
            await adapter.publish(message_event("b", text), dedup_key="update-1")
        await adapter.durable()
        delivery = await handler.delivery()
        await handler.done(delivery)
        status = await rig.until(lambda status: status.bus.done == 1)
        assert (status.bus.accepted, status.bus.duplicates) == (1, 1)


async def test_a_resend_of_the_stream_is_never_stored_twice(tmp_path: Path) -> None:
    async with running(tmp_path, config={"routes": routes(b=[rule()])}) as rig:
        adapter = await rig.adapter()
        event = message_event("b", "x")
        sequence = await adapter.publish(event)
        await adapter.durable()
        await adapter.send(frame_pb2.Frame(publish=frame_pb2.Publish(sequence=sequence, event=event)))
        await adapter.close()
        await adapter.connect(attach=frame_pb2.Attach(open_bots=["b"], acknowledged_sequence=sequence))
        assert adapter.attached.committed_sequence == sequence
        assert (await rig.status()).bus.accepted == 1


async def test_publishes_that_break_the_contract_are_refused_one_by_one(tmp_path: Path) -> None:
    async with running(tmp_path, memory=True, config={"routes": routes(b=[rule()])}) as rig:
        adapter = await rig.adapter()
        foreign = await adapter.publish(message_event("other", "x"))
        huge = await adapter.publish(message_event("b", "x" * 300_000))
        good = await adapter.publish(message_event("b", "x"))
        await adapter.durable()
        assert adapter.refused[foreign].reason == "UNKNOWN_BOT"
        assert adapter.refused[huge].reason == "CONTENT_TOO_LARGE"
        assert good not in adapter.refused
        assert (await rig.status()).bus.accepted == 1


async def test_malformed_and_unexpected_frames_are_answered_and_the_stream_goes_on(tmp_path: Path) -> None:
    async with running(tmp_path, memory=True, config={"routes": routes(b=[rule()])}) as rig:
        adapter = await rig.adapter()
        await adapter.send_bytes(b"\xff\xff\xff\xff")
        assert (await adapter.expect("fault")).fault.error.reason == "PROTOCOL_VIOLATION"
        await adapter.send_bytes(frame_pb2.FrameBatch(frames=[frame_pb2.Frame()]).SerializeToString())
        assert (await adapter.expect("fault")).fault.error.reason == "UNSUPPORTED_FRAME"
        await adapter.send(frame_pb2.Frame(attach=frame_pb2.Attach()))
        assert (await adapter.expect("fault")).fault.kind == "attach"
        large = message_event("b", "x" * 600_000)
        sequence = await adapter.publish(large)
        await adapter.durable()
        assert adapter.refused[sequence].reason == "FRAME_TOO_LARGE"


async def test_emitted_events_and_writes_stand_or_fall_with_the_ack(tmp_path: Path) -> None:
    emitting = handler_manifest(grants=["reply", "kv"])
    watcher = {"id": "w", "event": "h.noted", "handler": "h"}
    async with running(tmp_path, config={"routes": routes(b=[rule(), watcher])}) as rig:
        adapter, handler = await rig.adapter(), await rig.plugin(emitting)
        await adapter.publish(message_event("b", "x"))
        delivery = await handler.delivery()
        conflict = frame_pb2.KvWrite(key="k", value=b"1", if_version=5)
        await handler.done(delivery, writes=[conflict], emits=[frame_pb2.Emit(type="h.noted")])
        refused = (await handler.expect("settled")).settled.refused
        assert refused[0].error.reason == "CONFLICT"
        fresh = frame_pb2.KvWrite(key="k", value=b"1", if_version=0)
        await handler.done(delivery, writes=[fresh], emits=[frame_pb2.Emit(type="h.noted")])
        noted = await handler.delivery()
        assert noted.event.type == "h.noted"
        assert noted.event.id == f"{delivery.delivery_id}.0"
        assert noted.event.depth == 1
        assert noted.event.chat.id == "c1"
        await handler.done(noted)
        await rig.until(lambda status: status.bus.done == 2)


async def test_an_ack_is_bounded_and_needs_its_grants(tmp_path: Path) -> None:
    async with running(tmp_path, memory=True, config={"routes": routes(b=[rule()])}) as rig:
        adapter, handler = await rig.adapter(), await rig.plugin(handler_manifest(grants=["reply"]))
        await adapter.publish(message_event("b", "x"))
        delivery = await handler.delivery()
        for wrong, reason in (
            ({"writes": [frame_pb2.KvWrite(key="k")]}, "GRANT_MISSING"),
            ({"emits": [frame_pb2.Emit(type="other.noted")]}, "INVALID_ARGUMENT"),
            ({"emits": [frame_pb2.Emit(type="h.noted")] * 600}, "INVALID_ARGUMENT"),
        ):
            await handler.done(delivery, **wrong)
            refused = (await handler.expect("settled")).settled.refused
            assert [one.error.reason for one in refused] == [reason]
        await handler.done(delivery)
        await rig.until(lambda status: status.bus.done == 1)


async def test_a_chain_goes_on_after_success_and_stops_when_told(tmp_path: Path) -> None:
    chain = [rule(id="one", priority=2, **{"continue": True}), rule(id="two", priority=1)]
    async with running(tmp_path, config={"routes": routes(b=chain)}) as rig:
        adapter, handler = await rig.adapter(), await rig.plugin(handler_manifest())
        await adapter.publish(message_event("b", "both"))
        first = await handler.delivery()
        await handler.done(first)
        second = await handler.delivery()
        assert [first.rule_id, second.rule_id] == ["one", "two"]
        await handler.done(second)
        await adapter.publish(message_event("b", "only one"))
        await handler.done(await handler.delivery(), stop=True)
        status = await rig.until(lambda status: status.bus.done == 3)
        assert status.bus.lanes == 0


async def test_on_error_next_runs_the_next_rule_after_a_dead_letter(tmp_path: Path) -> None:
    chain = [rule(id="one", priority=2, on_error="ON_ERROR_NEXT"), rule(id="two", priority=1)]
    async with running(tmp_path, memory=True, config={"routes": routes(b=chain)}) as rig:
        adapter, handler = await rig.adapter(), await rig.plugin(handler_manifest())
        await adapter.publish(message_event("b", "x"))
        await handler.nack(await handler.delivery())
        second = await handler.delivery()
        assert second.rule_id == "two"


async def test_nothing_is_lost_when_the_kernel_restarts(tmp_path: Path) -> None:
    config = {"routes": routes(b=[rule()])}
    async with running(tmp_path, config=config) as rig:
        adapter, handler = await rig.adapter(), await rig.plugin(handler_manifest())
        for number in range(20):
            await adapter.publish(message_event("b", str(number), chat=f"c{number % 3}"))
        await adapter.durable()
        for _ in range(3):
            await handler.delivery()
    seen: list[str] = []
    async with running(tmp_path, config=config) as rig:
        handler = await rig.plugin(handler_manifest())
        while len(seen) < 20:
            delivery = await handler.delivery()
            assert delivery.crashes == 0
            seen.append(delivery.event.message_received.message.segments[0].text.text)
            await handler.done(delivery)
        await rig.until(lambda status: status.bus.done == 20)
    for chat in range(3):
        numbers = [int(text) for text in seen if int(text) % 3 == chat]
        assert numbers == sorted(numbers)


async def test_events_wait_for_a_table_and_are_routed_in_order(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        adapter, handler = await rig.adapter(), await rig.plugin(handler_manifest())
        router = await rig.plugin(
            handler_manifest("r", grants=["routes"]).replace("kind: handler", "kind: router")
        )
        for text in ("1", "2"):
            await adapter.publish(message_event("b", text))
        await adapter.durable()
        status = await rig.status()
        assert status.bus.waiting == 2
        assert any("no route table" in problem.message for problem in status.problems)
        table = router_pb2.RouteTable(
            bot="b", rules=[router_pb2.Rule(id="x", event="message.*", handler="h")]
        )
        body = kernel_pb2.PushRoutesRequest(table=table).SerializeToString()
        end = await router.call("/jackfield.v1.Kernel/PushRoutes", body)
        assert not end.HasField("error")
        for text in ("1", "2"):
            delivery = await handler.delivery()
            assert delivery.event.message_received.message.segments[0].text.text == text
            await handler.done(delivery)


@pytest.mark.parametrize("mode", ["BUSY_MODE_REJECT", "BUSY_MODE_INTERRUPT", "BUSY_MODE_STEER"])
async def test_busy_modes(tmp_path: Path, mode: str) -> None:
    async with running(
        tmp_path, memory=True, config={"routes": routes(b=[rule(busy={"mode": mode})])}
    ) as rig:
        adapter, handler = await rig.adapter(), await rig.plugin(handler_manifest())
        await adapter.publish(message_event("b", "1"))
        first = await handler.delivery()
        second_event = message_event("b", "2")
        await adapter.publish(second_event)
        await adapter.durable()
        if mode == "BUSY_MODE_REJECT":
            await rig.until(lambda status: status.bus.dropped == 1)
            return
        if mode == "BUSY_MODE_INTERRUPT":
            cancel = (await handler.expect("cancel")).cancel
            assert (cancel.fence, cancel.confirm) == (first.fence, True)
            await handler.nack(first)
            second = await handler.delivery()
            assert second.event.id == second_event.id
            assert (await rig.status()).bus.dead == 0
            return
        given = (await handler.expect("input")).input
        assert given.event.id == second_event.id
        await handler.send(
            frame_pb2.Frame(input=frame_pb2.Input(fence=first.fence, read_event_id=second_event.id))
        )
        await handler.done(first)
        await rig.until(lambda status: status.bus.done == 2 and status.bus.lanes == 0)


async def test_unread_input_waits_again_when_its_delivery_ends(tmp_path: Path) -> None:
    config = {"routes": routes(b=[rule(busy={"mode": "BUSY_MODE_STEER"})])}
    async with running(tmp_path, memory=True, config=config) as rig:
        adapter, handler = await rig.adapter(), await rig.plugin(handler_manifest())
        await adapter.publish(message_event("b", "1"))
        first = await handler.delivery()
        await adapter.publish(message_event("b", "2"))
        await handler.expect("input")
        await handler.done(first)
        second = await handler.delivery()
        assert second.event.message_received.message.segments[0].text.text == "2"


async def test_merge_joins_what_a_sender_writes_in_a_row(tmp_path: Path) -> None:
    busy = {"mode": "BUSY_MODE_MERGE", "window": "0.2s"}
    async with running(tmp_path, config={"routes": routes(b=[rule(busy=busy)])}) as rig:
        adapter, handler = await rig.adapter(), await rig.plugin(handler_manifest())
        for text in ("1", "2", "3"):
            await adapter.publish(message_event("b", text))
        delivery = await handler.delivery()
        texts = [
            event.message_received.message.segments[0].text.text
            for event in (delivery.event, *delivery.merged)
        ]
        assert texts == ["1", "2", "3"]
        await handler.done(delivery)
        await rig.until(lambda status: status.bus.done == 1 and status.bus.lanes == 0)


async def test_bypass_does_not_wait_for_the_lane(tmp_path: Path) -> None:
    stop = rule(id="stop", priority=9, bypass=True, match={"prefixes": ["/"]})
    async with running(tmp_path, memory=True, config={"routes": routes(b=[stop, rule()])}) as rig:
        adapter, handler = await rig.adapter(), await rig.plugin(handler_manifest())
        await adapter.publish(message_event("b", "long work"))
        first = await handler.delivery()
        await adapter.publish(message_event("b", "/stop"))
        second = await handler.delivery()
        assert second.bypass
        assert second.lane_busy
        assert not first.lane_busy
        await handler.done(second)
        await handler.done(first)
        await rig.until(lambda status: status.bus.done == 2)
        await adapter.publish(message_event("b", "/stop"))
        third = await handler.delivery()
        assert (third.bypass, third.lane_busy) == (True, False)
        await handler.done(third)
        await rig.until(lambda status: status.bus.done == 3)


async def test_credits_bound_what_a_handler_holds(tmp_path: Path) -> None:
    async with running(tmp_path, memory=True, config={"routes": routes(b=[rule()])}) as rig:
        adapter = await rig.adapter()
        bootstrap = await rig.developed(handler_manifest())
        handler = RawPlugin.from_file(bootstrap)
        await handler.connect(attach=frame_pb2.Attach(credit=frame_pb2.Credit(deliveries=2)))
        for number in range(5):
            await adapter.publish(message_event("b", str(number), chat=f"c{number}"))
        await adapter.durable()
        held = [await handler.delivery(), await handler.delivery()]
        status = await rig.status()
        assert (status.bus.leased, status.bus.ready) == (2, 3)
        await handler.done(held[0])
        await handler.delivery()
        await handler.close()
