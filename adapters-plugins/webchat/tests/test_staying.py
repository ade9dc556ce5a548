"""Reconnects, restarts, several bots, a taken port."""

from __future__ import annotations

import asyncio
import os
import socket

import pytest
from jackfield_sdk import BotState, Chat, Message
from jackfield_sdk.testing import FakeKernel
from jackfield_webchat.history import MESSAGES_PER_ROOM

ANNA = Chat.private("anna")


async def contents(browser, last_seen: int) -> list[tuple[str, str]]:
    """What `resume` gives: role and text."""
    await browser.send(type="resume", last_seen=last_seen)
    found = []
    while (frame := await browser.next())["type"] != "resumed":
        found.append((frame["data"]["role"], frame["data"]["content"]))
    return found


async def test_what_was_missed_comes_after_a_reconnect(chat) -> None:
    anna = await chat.greeted()
    await chat.kernel.call("web", "SendMessage", chat=ANNA, message=Message("one"))
    seen = (await anna.until("response"))["id"]
    await anna.send(type="disconnect")
    await anna.ended()
    for text in ("two", "three"):
        await chat.kernel.call("web", "SendMessage", chat=ANNA, message=Message(text))
    again = await chat.greeted()
    assert await contents(again, seen) == [("assistant", "two"), ("assistant", "three")]
    assert await contents(again, 0) == [("assistant", "one"), ("assistant", "two"), ("assistant", "three")]


async def test_a_message_sent_again_after_a_lost_ack_is_one_message(chat) -> None:
    first = await chat.greeted()
    chat.kernel.holds_acks = True
    await first.say("hello", "c1")
    await chat.kernel.wait_published()
    await first.socket.close()
    second = await chat.greeted()
    await second.say("hello", "c1")
    chat.kernel.holds_acks = False
    chat.kernel.drop()
    ack = await second.until("ack")
    assert ack["id"] == "c1"
    assert len(chat.kernel.published) == 1
    assert await contents(second, 0) == [("user", "hello")]


async def test_a_quick_reply_stands_below_its_question(chat) -> None:
    anna = await chat.greeted()
    chat.kernel.holds_acks = True
    await anna.say("question")
    await chat.kernel.wait_published()
    await chat.kernel.call("web", "SendMessage", chat=ANNA, message=Message("answer"))
    chat.kernel.holds_acks = False
    chat.kernel.drop()
    await anna.until("ack")
    assert await contents(anna, 0) == [("user", "question"), ("assistant", "answer")]


async def test_history_and_cursor_survive_a_restart(start) -> None:
    async with FakeKernel() as kernel:
        before = await start(kernel=kernel)
        anna = await before.greeted()
        await anna.say("hello")
        seen = (await anna.until("ack"))["cursor"]
        await kernel.call("web", "SendMessage", chat=ANNA, message=Message("welcome"), key="k")
        ended = asyncio.ensure_future(anna.ended())
        await kernel.close_bot("web")
        assert await ended == 1012
        before.running.runtime.finish()
        await before.running.finished()
        after = await start(kernel=kernel)
        again = await after.greeted()
        assert await contents(again, seen) == [("assistant", "welcome")]
        repeated = await kernel.call("web", "SendMessage", chat=ANNA, message=Message("welcome"), key="k")
        assert repeated.message_id
        assert await contents(again, 0) == [("user", "hello"), ("assistant", "welcome")]


async def test_a_conversation_keeps_its_newest_messages(chat) -> None:
    anna = await chat.greeted()
    for number in range(MESSAGES_PER_ROOM + 5):
        await chat.kernel.call("web", "SendMessage", chat=ANNA, message=Message(str(number)))
        await anna.until("response")
    kept = await contents(anna, 0)
    assert [text for _, text in kept] == [str(number) for number in range(5, MESSAGES_PER_ROOM + 5)]


async def test_groups_and_persons_are_apart_and_hide_the_private_id(chat) -> None:
    private = await chat.greeted("anna")
    group = await chat.greeted("lobby", "&session_type=group&user=anna&nickname=Anna")
    other = await chat.greeted("lobby", "&session_type=group&user=berta")
    await group.say("hi all")
    echo = await other.until("user_message")
    assert echo["data"]["sender"]["nickname"] == "Anna"
    assert "anna" not in str(echo["data"]["sender"]["id"])
    event = chat.kernel.published[0].event
    assert str(event.chat) == "group:lobby"
    assert event.sender.id == echo["data"]["sender"]["id"]
    assert await contents(private, 0) == []
    user = await chat.kernel.call("web", "GetUserInfo", user_id=event.sender.id)
    assert user.nickname == "Anna"
    details = await chat.kernel.call("web", "GetChatInfo", chat=Chat.group("lobby"))
    assert details.group.id == "lobby"


async def test_a_broadcast_reaches_every_page(chat) -> None:
    anna, berta = await chat.greeted(), await chat.greeted("berta")
    answer = await chat.kernel.call("web", "CallPlatformApi", action="broadcast", params={"message": "soon"})
    assert answer == {"connections": 2}
    for browser in (anna, berta):
        assert (await browser.next())["message"] == "soon"


async def test_both_loopback_addresses_answer(chat) -> None:
    port = int(chat.url.rstrip("/").rpartition(":")[2])
    for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        try:
            probe = socket.create_server((address, 0), family=family)
        except OSError:
            pytest.skip(f"this machine has no {address}")
        probe.close()
        with socket.create_connection((address, port), timeout=5):
            pass


async def test_typing_is_shown(chat) -> None:
    anna = await chat.greeted()
    await chat.kernel.call("web", "SendTyping", chat=ANNA)
    assert (await anna.next())["type"] == "typing"


async def test_another_bot_answers_at_its_own_path(chat) -> None:
    opened = await chat.kernel.open_bot("sales", {"title": "Sales"})
    assert opened.addresses[0].url == f"{chat.url}b/sales/"
    browser = await chat.browser(path="b/sales/ws")
    connected = await browser.next()
    assert (connected["bot"], connected["title"]) == ("sales", "Sales")
    await browser.say("hello")
    await browser.until("ack")
    assert chat.kernel.published[0].event.bot == "sales"
    for path, status in (("b/sales", 200), ("b/sales/", 200), ("b/nobody/", 404)):
        async with chat.client.get(chat.url + path) as answer:
            assert answer.status == status
    await chat.kernel.close_bot("web")
    async with chat.client.get(chat.url) as answer:
        assert answer.status == 503


async def test_a_taken_port_is_named_and_tried_again(start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        chat = await start(port=port, open_bot=False, wait_ready=False)
        await chat.running.until(chat.running.session.attached.wait())
        await chat.kernel.open_bot("web")
        waiting = await chat.kernel.wait_bot("web", BotState.CONNECTING)
        assert f"by pid {os.getpid()}" in waiting.reason.message
        assert "WEBCHAT_PORT" in waiting.reason.remedy
    await chat.kernel.wait_bot("web", BotState.ACTIVE)
    assert chat.url == f"http://127.0.0.1:{port}/"
    await chat.greeted()
