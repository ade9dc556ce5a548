"""A message in, an answer out, over a real WebSocket."""

from jackfield_sdk import BotState, Chat, Message, ReplyReference, Text


async def test_a_message_becomes_an_event_and_its_answer_an_action(onebot) -> None:
    async with onebot.client() as client:
        await client.private([{"type": "text", "data": {"text": " hello\n"}}])
        (published,) = await onebot.kernel.wait_published()
        event = published.event
        assert event.type == "message.received"
        assert event.message == Message(Text(" hello\n"))
        assert (event.chat, event.sender.nickname, event.message_id) == (Chat.private("7"), "Ann", "42")
        assert event.native()["message_id"] == 42
        assert published.dedup_key == ""
        result = await onebot.kernel.call(
            "one",
            "ReplyMessage",
            chat=event.chat,
            message=Message("hi [there], & you"),
            reference=ReplyReference(message_id="42", reply_context=event.reply_context),
            quote_origin=True,
        )
        action = await client.next_action()
        assert action["action"] == "send_private_msg"
        assert action["params"] == {
            "user_id": 7,
            "message": [
                {"type": "reply", "data": {"id": "42"}},
                {"type": "text", "data": {"text": "hi [there], & you"}},
            ],
        }
        assert result.message_id == "1"
        report = await onebot.kernel.wait_bot("one", BotState.ACTIVE)
        assert report.self.id == "10000"
