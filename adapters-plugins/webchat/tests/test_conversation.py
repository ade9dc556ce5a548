"""A person writes, the bot answers."""

from __future__ import annotations

from jackfield_sdk import Chat as ChatTarget
from jackfield_sdk import ChatType, Message, MessageReceived

ANNA = ChatTarget.private("anna")


async def test_a_message_becomes_an_event_and_is_acknowledged_when_durable(chat) -> None:
    anna = await chat.browser()
    connected = await anna.next()
    assert connected["session"] == "anna"
    assert connected["session_type"] == "person"
    chat.kernel.holds_acks = True
    await anna.say("hello\n  there")
    (published,) = await chat.kernel.wait_published()
    await anna.send(type="ping")
    assert (await anna.next())["type"] == "pong", "no ack before the kernel made the event durable"
    chat.kernel.holds_acks = False
    chat.kernel.drop()
    ack = await anna.next()
    assert (ack["type"], ack["id"]) == ("ack", "c1")
    event = published.event
    assert isinstance(event.payload, MessageReceived)
    assert event.payload.message_id == ack["message_id"]
    assert event.text == "hello\n  there"
    assert event.chat is not None
    assert (event.chat.type, event.chat.id) == (ChatType.PRIVATE, "anna")
    assert event.sender is not None
    assert event.sender.id == "anna"
    assert published.dedup_key


async def test_a_reply_reaches_every_connection_of_the_session_and_nobody_else(chat) -> None:
    first, second, other = await chat.greeted(), await chat.greeted(), await chat.greeted("berta")
    await first.say("hi")
    await first.until("ack")
    assert (await second.next())["type"] == "user_message"
    result = await chat.kernel.call("web", "SendMessage", chat=ANNA, message=Message("hello"), key="k1")
    for browser in (first, second):
        frame = await browser.next()
        assert frame["type"] == "response"
        assert frame["data"]["content"] == "hello"
        assert frame["data"]["message_chain"] == [{"type": "Plain", "text": "hello"}]
        assert frame["data"]["is_final"]
        assert frame["data"]["id"] == result.message_id
    await other.send(type="ping")
    assert (await other.next())["type"] == "pong"
