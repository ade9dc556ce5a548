"""The adapter on a fake kernel against the local Lark."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from jackfield_lark.adapter import create_plugin
from jackfield_sdk import (
    Actions,
    BotState,
    Button,
    Chat,
    InvalidArgument,
    Message,
    ReplyReference,
    WindowClosed,
)
from jackfield_sdk.testing import FakeKernel

from tests.platforms.lark import APP_ID, APP_SECRET, LarkServer
from tests.platforms.lark.chats import BOT, DIRECT, TEAM
from tests.platforms.lark.events import event, received

pytestmark = pytest.mark.slow
GROUP = Chat.group(TEAM)


@asynccontextmanager
async def lark(**config: str | bool) -> AsyncIterator[tuple[FakeKernel, LarkServer]]:
    async with FakeKernel() as kernel, LarkServer() as server:
        async with kernel.running(create_plugin(), name="lark"):
            base = {"app_id": APP_ID, "app_secret": APP_SECRET, "domain": server.url}
            opened = await kernel.open_bot("l", {**base, **config}, plugin="lark")
            assert opened.self is not None
            assert opened.self.id == BOT
            await kernel.wait_bot("l", BotState.ACTIVE)
            yield kernel, server


async def test_a_thread_is_answered_in_the_thread() -> None:
    async with lark() as (kernel, server):
        root = server.chats.said(TEAM, "text", {"text": "root"}, thread_id="omt_1")
        await server.connections.send(received(root))
        (published,) = await kernel.wait_published()
        assert published.event.chat == Chat.group(TEAM, "omt_1")
        reference = ReplyReference(message_id=root["message_id"], reply_context=published.event.reply_context)
        answer = await kernel.call(
            "l", "ReplyMessage", chat=published.event.chat, message=Message("inside"), reference=reference
        )
        assert server.chats.messages[answer.message_id]["thread_id"] == "omt_1"
        # Unasked it goes there as well.
        unasked = await kernel.call("l", "SendMessage", chat=published.event.chat, message=Message("too"))
        assert server.chats.messages[unasked.message_id]["thread_id"] == "omt_1"


async def test_replies_open_a_thread_where_it_is_wanted() -> None:
    async with lark(reply_in_thread=True) as (kernel, server):
        root = server.chats.said(TEAM, "text", {"text": "root"})["message_id"]
        answer = await kernel.call(
            "l", "ReplyMessage", chat=GROUP, message=Message("x"), reference=ReplyReference(message_id=root)
        )
        assert server.chats.messages[answer.message_id]["thread_id"]


async def test_a_card_is_updated_and_a_text_edited_until_lark_allows_no_more() -> None:
    async with lark() as (kernel, server):
        card = Message("Pick", Actions("ask", (Button("yes", "Yes"),)))
        sent = await kernel.call("l", "SendMessage", chat=GROUP, message=card)
        await kernel.call("l", "EditMessage", chat=GROUP, message_id=sent.message_id, message=Message("done"))
        assert server.done[-1] == ("edit_message", "done", sent.message_id)
        text = await kernel.call("l", "SendMessage", chat=GROUP, message=Message("0"))
        for number in range(20):
            changed = Message(str(number + 1))
            await kernel.call("l", "EditMessage", chat=GROUP, message_id=text.message_id, message=changed)
        with pytest.raises(WindowClosed):
            await kernel.call(
                "l", "EditMessage", chat=GROUP, message_id=text.message_id, message=Message("x")
            )
        with pytest.raises(InvalidArgument):
            await kernel.call("l", "EditMessage", chat=GROUP, message_id=text.message_id, message=card)


async def test_split_events_are_put_together_and_acknowledged_once() -> None:
    async with lark() as (kernel, server):
        server.connections.split = 4
        wire = await server.connections.send(received(server.chats.said(DIRECT, "text", {"text": "whole"})))
        await server.until(lambda: server.connections.acked == [wire])
        (published,) = await kernel.wait_published()
        assert published.event.text == "whole"


async def test_a_recall_in_a_private_chat_is_told_as_private() -> None:
    async with lark() as (kernel, server):
        recalled = {"message_id": "om_9", "chat_id": DIRECT}
        await server.connections.send(event("im.message.recalled_v1", recalled))
        (published,) = await kernel.wait_published()
        assert published.event.chat == Chat.private(DIRECT)


async def test_an_event_that_makes_no_sense_is_acknowledged_and_holds_up_nothing() -> None:
    async with lark() as (kernel, server):
        wires = [await server.connections.send(one) for one in (b"{", {"header": 1}, {"encrypt": "x"})]
        await server.until(lambda: set(wires) <= set(server.connections.acked))
        await server.connections.send(received(server.chats.said(DIRECT, "text", {"text": "fine"})))
        (published,) = await kernel.wait_published()
        assert published.event.text == "fine"
