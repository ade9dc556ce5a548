"""A bot among people."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from jackfield_sdk import (
    AuthExpired,
    Chat,
    GroupMemberJoined,
    GroupMemberLeft,
    InvalidArgument,
    JackfieldError,
    Mention,
    Message,
    MessageReceived,
    NotFound,
    PermissionDenied,
    Text,
)

from tests.platforms.irc.server import HOST, ROOM, Server

from .conftest import World


async def last(world: World, count: int = 1) -> Any:
    return (await world.kernel.wait_published(count))[-1].event


async def test_being_addressed_is_a_mention(world: World) -> None:
    world.server.send("ann", "PRIVMSG", ROOM, "jack: what is up?")
    event = await last(world)
    assert isinstance(event.payload, MessageReceived)
    assert list(event.payload.message) == [Mention("jack", "jack"), Text("what is up?")]
    assert event.payload.mentions_bot
    assert (event.chat.id, event.sender.id) == (ROOM, "ann")


async def test_an_account_that_the_server_vouches_for_is_the_sender(world: World) -> None:
    world.server.send("ann", "PRIVMSG", "jack", "hello", tags="@account=annie;time=2026-01-02T03:04:05.000Z ")
    event = await last(world)
    assert event.sender.id == "account/annie"
    assert event.chat == Chat.private("ann")
    assert event.time.year == 2026


async def test_leaving_the_server_is_leaving_every_channel(world: World) -> None:
    world.server.send("ben", "QUIT", "bye")
    event = await last(world)
    assert isinstance(event.payload, GroupMemberLeft)
    assert event.payload.group.id == ROOM
    world.server.send("ben", "JOIN", ROOM)
    assert isinstance((await last(world, 2)).payload, GroupMemberJoined)


async def test_a_version_request_is_answered_and_told(world: World) -> None:
    world.server.send("ann", "PRIVMSG", "jack", "\x01VERSION\x01")
    await world.until(lambda: any(line.command == "NOTICE" for line in world.server.said))
    (notice,) = [line for line in world.server.said if line.command == "NOTICE"]
    assert notice.params == ("ann", "\x01VERSION Jackfield\x01")


async def test_a_refusal_belongs_to_the_message_that_caused_it(world: World) -> None:
    world.server.refusals.append("404")
    with pytest.raises(PermissionDenied, match="Cannot send") as caught:
        await world.kernel.call("irc", "SendMessage", chat=Chat.group(ROOM), message=Message("one"))
    assert caught.value.metadata["platform_code"] == "404"
    assert await world.kernel.call("irc", "SendMessage", chat=Chat.group(ROOM), message=Message("two"))
    with pytest.raises(NotFound):
        await world.kernel.call("irc", "SendMessage", chat=Chat.private("nobody"), message=Message("three"))


async def test_a_connection_that_breaks_while_the_bot_speaks_leaves_the_outcome_open(world: World) -> None:
    world.server.stalls = True
    async with asyncio.TaskGroup() as group:
        message = world.kernel.call("irc", "SendMessage", chat=Chat.group(ROOM), message=Message("lost?"))
        sending = group.create_task(outcome(message))
        await world.until(lambda: world.server.stalled)
        world.server.drop()
    assert sending.result() == "OUTCOME_UNKNOWN"


async def outcome(call: Any) -> str:
    """How a call fails."""
    try:
        await call
    except JackfieldError as error:
        return error.reason
    return ""


async def test_it_comes_back_into_its_channel(world: World) -> None:
    world.server.drop()
    await world.until(lambda: world.server.joined)
    world.server.send("ann", "PRIVMSG", ROOM, "welcome back")
    assert (await last(world)).payload.message.plain() == "welcome back"


async def test_a_nickname_that_was_taken_is_claimed_back(world: World) -> None:
    world.server.taken.add("jack")
    world.server.drop()
    await world.until(lambda: world.server.joined)
    assert world.server.nick == "jack_"
    world.server.taken.clear()
    world.server.send("jack", "QUIT", "ping timeout")
    await world.until(lambda: world.server.nick == "jack")
    world.server.send("ann", "PRIVMSG", ROOM, "jack: there you are")
    assert (await last(world)).payload.mentions_bot


async def test_a_wrong_password_says_so(world: World) -> None:
    server = Server()
    await server.start()
    try:
        with pytest.raises(AuthExpired, match="SASL authentication failed"):
            await world.kernel.open_bot("other", world.config(port=server.port, password="wrong"))
    finally:
        await server.stop()


@pytest.mark.parametrize(
    ("key", "value"), [("nick", "#x"), ("channels", ["room"]), ("ca_file", "/nowhere"), ("server", "")]
)
async def test_a_wrong_setting_is_named(world: World, key: str, value: Any) -> None:
    with pytest.raises(InvalidArgument) as caught:
        await world.kernel.open_bot("other", world.config(**{key: value, "tls": key == "ca_file"}))
    assert caught.value.metadata["field"] == key


async def test_a_server_that_says_nonsense_is_quoted_and_survived(world: World) -> None:
    world.server.raw(b"??? what\r\n")
    assert (await last(world)).type == "platform.irc.unparsed"
    world.server.send(HOST, "353")
    world.server.send("ann", "PRIVMSG", ROOM, "still here")
    assert (await last(world, 2)).payload.message.plain() == "still here"
