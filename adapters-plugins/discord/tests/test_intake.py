"""From the gateway into the kernel, whatever happens in between."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from discord_stage import stage
from jackfield_discord.checkpoint import Checkpoint
from jackfield_sdk import (
    AuthExpired,
    BotState,
    Chat,
    ChatType,
    CloseReason,
    Message,
    MessageReceived,
    PermissionDenied,
)
from jackfield_sdk.spool import Spool, Spooled

from tests.platforms.discord import world
from tests.platforms.discord.server import Server

# A local server and the fake kernel for each test: together more than `make test-fast` has time for.
pytestmark = pytest.mark.slow


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


@pytest.mark.parametrize(
    ("channel", "expected"),
    [
        (world.THREAD, "channel:3001:3003"),
        (world.POST, "channel:3002:3004"),
        (world.GENERAL, "channel:3001"),
        (world.PRIVATE, "private:2001"),
    ],
)
async def test_threads_posts_and_private_chats_have_their_place(discord, channel: str, expected: str) -> None:
    await discord.server.say("x", channel)
    (event,) = await discord.events()
    assert str(event.chat) == expected
    await discord.call("SendMessage", chat=event.chat, message=Message("y"))
    assert discord.server.made("POST", f"channels/{channel}/messages")


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


async def test_it_reconnects_when_asked_and_when_nobody_acknowledges_its_heartbeats() -> None:
    server = Server()
    server.heartbeat_ms = 50
    async with stage(server, silence_seconds=0.5) as discord:
        await server.until(lambda: server.beats > 2)
        await server.ask_to_reconnect()
        await server.until(lambda: len(server.resumed) == 1)
        server.acknowledges = False
        await server.until(lambda: len(server.resumed) == 2)
        server.acknowledges = True
        await server.say("still here")
        assert (await discord.events())[-1].text == "still here"


async def test_the_next_process_goes_on_with_the_session(discord) -> None:
    await discord.server.say("one")
    await discord.events(1)
    checkpoint = await discord.kernel.close_bot("one", CloseReason.HANDOVER)
    await discord.server.say("while nobody listened")
    await discord.open(checkpoint)
    events = await discord.events(2)
    assert events[-1].text == "while nobody listened"
    assert len(discord.server.identified) == 1
    keys = [one.dedup_key for one in await discord.kernel.wait_published(3)]
    assert len(set(keys[1:])) == 2


async def test_after_a_gap_the_history_is_read_and_the_gap_is_told(discord) -> None:
    await discord.server.say("one", world.PRIVATE)
    await discord.events(1)
    checkpoint = await discord.kernel.close_bot("one")
    discord.server.forget_sessions()
    for number in range(150):
        discord.server.methods.store(world.GENERAL, {"content": f"m{number}", "author": world.ANN})
    discord.server.methods.store(world.PRIVATE, {"content": "private", "author": world.ANN})
    await discord.open(checkpoint)
    events = await discord.events(153)
    kinds = [event.type for event in events]
    assert kinds.count("platform.discord.gap") == 1
    texts = [event.text for event in events if event.type == "message.received"]
    # The place is taken a little earlier than the last message: what was seen before has the same key.
    assert texts == ["one", "private", *(f"m{number}" for number in range(150))]


async def test_history_that_is_refused_is_a_gap_of_its_own(discord) -> None:
    await discord.server.say("one", world.PRIVATE)
    checkpoint = await discord.kernel.close_bot("one")
    discord.server.forget_sessions()
    gone = replace(Checkpoint.decode(checkpoint), private=("9999",))
    await discord.open(gone.encode())
    events = await discord.events(3)
    gaps = [event.payload.data for event in events if event.type == "platform.discord.gap"]
    assert [(gap["reason"], gap.get("channel_id")) for gap in gaps] == [
        ("session", None),
        ("NOT_FOUND", "9999"),
    ]


async def test_what_is_sent_twice_has_one_key(discord) -> None:
    await discord.server.say("twice")
    await discord.server.again()
    await discord.server.say("then")
    # The kernel of the test keeps one of a key, as the real one does.
    assert [event.text for event in await discord.events(2)] == ["twice", "then"]


async def test_own_messages_are_not_heard(discord) -> None:
    await discord.call("SendMessage", chat=Chat.channel(world.GENERAL), message=Message("mine"))
    await discord.server.say("theirs")
    assert [event.text for event in await discord.events()] == ["theirs"]


async def test_what_cannot_be_read_stops_nothing(discord) -> None:
    await discord.server.dispatch("MESSAGE_CREATE", {"id": [], "author": 7, "content": {"\x00": "\ud800"}})
    await discord.server.dispatch("SOMETHING_NEW", {"guild_id": world.GUILD, "a": 1})
    await discord.server.raw("{not json")
    await discord.server.until(lambda: discord.server.resumed)
    await discord.server.say("after\x07wards")
    events = await discord.events(3)
    assert (events[1].type, events[1].payload.data["type"]) == ("platform.discord.other", "SOMETHING_NEW")
    assert events[-1].text == "after\x07wards"


async def test_many_deleted_at_once_are_one_event_each(discord) -> None:
    native = {"ids": ["1", "2"], "channel_id": world.GENERAL, "guild_id": world.GUILD}
    await discord.server.dispatch("MESSAGE_DELETE_BULK", native)
    events = await discord.events(2)
    assert [event.message_id for event in events] == ["1", "2"]


async def test_a_wrong_token_says_what_to_do() -> None:
    async with stage(open_bot=False) as discord:
        with pytest.raises(AuthExpired) as refusal:
            await discord.open(token="wrong")
        assert "developer portal" in refusal.value.remedy
        with pytest.raises(AuthExpired):
            await discord.open(token="new\nline")


async def test_a_token_that_is_reset_fails_the_bot(discord) -> None:
    discord.server.token = "another"
    await discord.server.cut(4004)
    report = await discord.kernel.wait_bot("one", BotState.FAILED)
    assert report.reason.reason == "AUTH_EXPIRED"


async def test_intents_that_are_not_allowed_say_what_to_do() -> None:
    server = Server()
    server.allowed = frozenset()
    async with stage(server, open_bot=False) as discord:
        with pytest.raises(PermissionDenied) as refusal:
            await discord.open()
        assert "Message Content" in refusal.value.remedy
        await discord.open(message_content=False, members=False)
        await discord.kernel.wait_bot("one", BotState.ACTIVE)


async def test_what_the_kernel_does_not_confirm_is_on_disk(discord) -> None:
    path = discord.running.runtime.context.data_dir / "one.events.jsonl"
    discord.kernel.holds_acks = True
    await discord.server.say("kept")
    await discord.events()
    await discord.kernel.close_bot("one", CloseReason.LEASE_LOST)
    (line,) = [json.loads(line) for line in path.read_bytes().splitlines() if b"kept" in line]
    assert line["frame"]["d"]["content"] == "kept"


async def test_what_the_last_process_left_is_published_first_and_the_file_goes() -> None:
    async with stage(open_bot=False) as discord:
        path = discord.running.runtime.context.data_dir / "one.events.jsonl"
        native = {
            "id": "9",
            "channel_id": world.GENERAL,
            "guild_id": world.GUILD,
            "content": "kept",
            "author": world.ANN,
        }
        frame = json.dumps({"op": 0, "t": "MESSAGE_CREATE", "s": 3, "d": native}).encode()
        Spool(path).append([Spooled("0190-kept", "session-0", frame, "m:9")])
        await discord.open()
        (published, *_) = await discord.kernel.wait_published()
        assert (published.event.id, published.event.text, published.dedup_key) == ("0190-kept", "kept", "m:9")
        assert str(published.event.chat) == "channel:3001"
        await discord.kernel.close_bot("one")
        assert not path.exists()
