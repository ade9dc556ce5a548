"""From the gateway into the kernel, whatever happens in between."""

from __future__ import annotations

from jackfield_sdk import BotState, Chat, ChatType, Message, MessageReceived

from tests.platforms.discord import world


async def test_a_message_is_published_and_answered(discord) -> None:
    await discord.server.say("hello")
    (event,) = await discord.events()
    assert isinstance(event.payload, MessageReceived)
    assert (event.text, event.sender.nickname, event.chat.type) == ("hello", "Ann", ChatType.CHANNEL)
    assert (event.chat.id, event.chat.parent_id) == (world.GENERAL, world.GUILD)
    await discord.call("SendMessage", chat=Chat.channel(world.GENERAL, world.GUILD), message=Message("hi"))
    request = await discord.server.request("POST", "channels/3001/messages")
    assert request.body["content"] == "hi"
    assert request.body["allowed_mentions"]["parse"] == []


async def test_the_session_is_resumed_after_a_lost_socket(discord) -> None:
    await discord.server.say("one")
    await discord.events(1)
    await discord.server.cut()
    await discord.server.say("two")
    await discord.server.until(lambda: discord.server.resumed)
    events = await discord.events(2)
    assert [event.text for event in events] == ["one", "two"]
    assert len(discord.server.identified) == 1
    await discord.kernel.wait_bot("one", BotState.ACTIVE)
