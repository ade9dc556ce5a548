"""Updates become durable before they are acknowledged."""

import asyncio
import json

import pytest
from jackfield_sdk import (
    AuthExpired,
    BotState,
    Image,
    InvalidArgument,
    Message,
    Overloaded,
    PlatformEvent,
    Text,
    Unavailable,
)

from tests.platforms.telegram import world
from tests.platforms.telegram.server import Fault

# A local server and the fake kernel for each test: together more than `make test-fast` has time for.
pytestmark = pytest.mark.slow


async def test_a_message_becomes_an_event_and_is_then_acknowledged(telegram) -> None:
    update = await telegram.server.say("hello")
    (published,) = await telegram.kernel.wait_published()
    event = published.event
    assert (event.type, event.text, str(event.chat)) == ("message.received", "hello", "private:7")
    assert (event.sender.nickname, event.sender.username) == ("Ann Lee", "ann")
    assert event.native()["update_id"] == update
    assert published.dedup_key == f"110201543:{update}"
    assert json.loads(published.checkpoint)["next"] == update + 1
    await telegram.server.until_confirmed(update)


async def test_nothing_is_acknowledged_that_is_not_durable(telegram) -> None:
    telegram.kernel.holds_acks = True
    update = await telegram.server.say("hello")
    await telegram.kernel.wait_published()
    assert telegram.server.pending == [update]
    assert telegram.server.confirmed <= update
    telegram.kernel.sessions["telegram"].release_acks()
    await telegram.server.until_confirmed(update)


async def test_what_the_kernel_refuses_for_now_comes_again(telegram) -> None:
    refusals = [Overloaded("full"), Overloaded("full")]
    telegram.kernel.refuse_publish = lambda event: refusals.pop() if refusals else None
    update = await telegram.server.say("patience")
    (event,) = await telegram.published()
    assert event.text == "patience"
    await telegram.server.until_confirmed(update)
    assert not refusals


async def test_what_the_kernel_refuses_for_good_is_told(telegram) -> None:
    telegram.kernel.refuse_publish = lambda event: InvalidArgument("no") if event.text == "bad" else None
    await telegram.server.say("bad")
    update = await telegram.server.say("good")
    told, good = await telegram.published(2)
    assert {told.type, good.type} == {"platform.telegram.unreadable", "message.received"}
    await telegram.server.until_confirmed(update)


async def test_malformed_updates_stop_nothing(telegram) -> None:
    await telegram.server.raw_update({"message": "no object"})
    await telegram.server.raw_update(
        {"message": {"chat": 5, "text": ["x"], "entities": {"a": 1}, "date": "soon"}}
    )
    await telegram.server.raw_update({"something_new": {"deep": [[[[[[[[[[[[[[1]]]]]]]]]]]]]]}})
    await telegram.server.raw_update({})
    update = await telegram.server.say("a\u0000b\u202e\U0001f600")
    await telegram.server.until_confirmed(update)
    events = [one.event for one in telegram.kernel.state.published]
    assert events[-1].text == "a\u0000b\u202e\U0001f600"
    assert "platform.telegram.something_new" in {event.type for event in events}


async def test_updates_without_ids_are_not_asked_for_without_a_pause(telegram) -> None:
    answer = json.dumps({"ok": True, "result": [{"message": {}}, 7]}).encode()
    telegram.server.fail(
        "getUpdates", Fault(200, body=answer), Fault(200, body=b"<html>"), Fault(200, body=b"{}")
    )
    update = await telegram.server.say("after")
    await telegram.server.until_confirmed(update)
    assert len([wait for wait in telegram.waits if wait > 0]) >= 2


async def test_redelivered_updates_are_stored_once(telegram) -> None:
    update = await telegram.server.say("once")
    await telegram.server.until_confirmed(update)
    native = (await telegram.published())[0].native()
    native.pop("update_id")
    await telegram.server.again(update, native=native)
    after = await telegram.server.say("later")
    await telegram.server.until_confirmed(after)
    assert [one.event.text for one in telegram.kernel.state.published] == ["once", "later"]


async def test_an_album_is_one_event(telegram) -> None:
    def part(number: int, **fields):
        native = world.message(media_group_id="A", photo=world.photo(f"P{number}"), **fields)
        return {"message": {**native, "message_id": 10 + number}}

    telegram.server._updates.clear()
    await telegram.server.update(**part(1, caption="holidays"))
    await telegram.server.update(**part(2))
    last = await telegram.server.update(**part(3))
    await telegram.server.until_confirmed(last)
    events = [one.event for one in telegram.kernel.state.published]
    assert [media.media.platform_id for event in events for media in event.message.all(Image)] == [
        "P1",
        "P2",
        "P3",
    ]
    assert len(events) == 1
    assert events[0].message_id == "11"
    assert len(events[0].native()["album"]) == 3


async def test_updates_out_of_order_are_put_in_order(telegram) -> None:
    parts = [
        {"update_id": number, "message": {**world.message(text=f"m{number}"), "message_id": number}}
        for number in (700, 698, 699)
    ]
    answer = json.dumps({"ok": True, "result": parts}).encode()
    # The poll that waits already brings this one, the next one the answer in disorder.
    await telegram.server.until(lambda: telegram.server.offsets)
    telegram.server.fail("getUpdates", Fault(200, body=answer))
    await telegram.server.say("wake")
    events = await telegram.published(4)
    texts = [event.text for event in events if event.text != "wake"]
    assert texts == ["m698", "m699", "m700"]


async def test_the_checkpoint_of_another_account_is_not_used(telegram) -> None:
    await telegram.kernel.close_bot("one")
    update = await telegram.server.say("for the new account")
    foreign = json.dumps({"account": "1", "next": update + 100, "at": 2**31}).encode()
    await telegram.open(checkpoint=foreign)
    (event,) = await telegram.published()
    assert event.text == "for the new account"


async def test_a_reopened_bot_goes_on_from_its_checkpoint(telegram) -> None:
    update = await telegram.server.say("one")
    await telegram.kernel.wait_published()
    checkpoint = await telegram.kernel.close_bot("one")
    assert json.loads(checkpoint)["next"] == update + 1
    telegram.server.offsets.clear()
    await telegram.open(checkpoint=checkpoint)
    await telegram.server.until(lambda: telegram.server.offsets)
    assert telegram.server.offsets[0] == update + 1


async def test_failures_of_the_platform_pass(telegram) -> None:
    telegram.server.fail("getUpdates", Fault(502, body=b"<html>"), Fault(drop=True), Fault(500))
    await telegram.server.say("wake")
    update = await telegram.server.say("after trouble")
    await telegram.server.until_confirmed(update)
    await telegram.kernel.wait_bot("one", BotState.ACTIVE)


async def test_too_many_requests_are_waited_for(telegram) -> None:
    telegram.server.fail("getUpdates", Fault(429, "Too Many Requests: retry after 9", {"retry_after": 9}))
    await telegram.server.say("wake")
    update = await telegram.server.say("later")
    await telegram.server.until_confirmed(update)
    assert 9.0 in telegram.waits


async def test_a_second_poller_is_told_to_the_operator(telegram) -> None:
    conflict = Fault(409, "Conflict: terminated by other getUpdates request")
    telegram.server.fail("getUpdates", *[conflict] * 4)
    await telegram.server.say("wake")
    report = await telegram.kernel.wait_bot("one", BotState.CONNECTING)
    assert "409" in report.reason.message
    assert "other program" in report.reason.remedy


async def test_a_revoked_token_while_polling_is_said_and_tried_again(telegram) -> None:
    telegram.server.fail("getUpdates", Fault(401, "Unauthorized"))
    update = await telegram.server.say("wake")
    report = await telegram.kernel.wait_bot("one", BotState.ACTIVE)
    await telegram.server.until_confirmed(update)
    assert 60.0 in telegram.waits
    assert report.bot == "one"


@pytest.mark.parametrize("token", ["110201543:wrongwrongwrongwrong", "nonsense"])
async def test_a_wrong_token_is_refused_without_showing_it(telegram, caplog, token) -> None:
    await telegram.kernel.close_bot("one")
    with pytest.raises(AuthExpired) as refused:
        await telegram.open(token=token)
    assert "BotFather" in refused.value.remedy
    assert token not in str(refused.value)
    assert token not in caplog.text
    with pytest.raises(InvalidArgument):
        await telegram.open(token="a/../b")


async def test_a_server_that_is_not_there_is_said(telegram) -> None:
    await telegram.kernel.close_bot("one")
    with pytest.raises(Unavailable) as refused:
        await telegram.open(api_base_url="http://127.0.0.1:1")
    assert "110201543:" not in str(refused.value)


async def test_reactions_and_members(telegram) -> None:
    reaction = {
        "chat": world.group(),
        "message_id": 5,
        "user": world.ANN,
        "date": world.DATE,
        "old_reaction": [{"type": "emoji", "emoji": "👍"}],
        "new_reaction": [{"type": "emoji", "emoji": "🔥"}],
    }
    await telegram.server.update(message_reaction=reaction)
    removed, added = await telegram.published(2)
    assert [(e.payload.reaction, e.payload.is_add) for e in (removed, added)] == [("👍", False), ("🔥", True)]
    await telegram.server.update(chat_member=world.change(world.BEN, "left", "member"))
    joined = world.message(world.group(), world.BEN, new_chat_members=[world.BEN])
    last = await telegram.server.update(message=joined)
    await telegram.server.until_confirmed(last)
    kinds = [one.event.type for one in telegram.kernel.state.published]
    assert kinds[2:] == ["group.member_joined"]


async def test_own_messages_are_left_out(telegram) -> None:
    own = {key: telegram.server.store.me[key] for key in ("id", "is_bot", "first_name", "username")}
    await telegram.server.update(message=world.message(world.group(), own, text="echo?"))
    update = await telegram.server.say("hello")
    await telegram.server.until_confirmed(update)
    assert [one.event.message for one in telegram.kernel.state.published] == [Message(Text("hello"))]


async def test_join_requests_and_polls_are_platform_events(telegram) -> None:
    request = {"chat": world.group(), "from": world.ANN, "user_chat_id": 7, "date": world.DATE}
    await telegram.server.update(chat_join_request=request)
    (event,) = await telegram.published()
    assert event.type == "platform.telegram.chat_join_request"
    assert isinstance(event.payload, PlatformEvent)
    assert event.payload.data["user_chat_id"] == 7
    assert str(event.chat) == "group:-1005"


async def test_the_long_poll_ends_at_once_when_the_bot_is_closed(telegram) -> None:
    await telegram.server.until(lambda: telegram.server.offsets)
    async with asyncio.timeout(5):
        await telegram.kernel.close_bot("one")
