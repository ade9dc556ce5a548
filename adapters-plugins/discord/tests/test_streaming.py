"""Replies that grow."""

from __future__ import annotations

import pytest
from jackfield.v1 import adapter_message_pb2 as pb
from jackfield_discord.streaming import Streaming
from jackfield_sdk import Chat, Target

from tests.platforms.discord import world
from tests.platforms.discord.server import Fault

# A local server and the fake kernel for each test: together more than `make test-fast` has time for.
pytestmark = pytest.mark.slow

STREAM = "/jackfield.v1.Adapter/StreamReply"
GENERAL = Chat.channel(world.GENERAL, world.GUILD)


@pytest.fixture(autouse=True)
def at_once(monkeypatch) -> None:
    monkeypatch.setattr(Streaming, "stream_interval", 0.0)


def opened(discord, text: str, key: str = "k"):
    request = pb.StreamReplyRequest(text=text)
    request.opening.SetInParent()
    return discord.kernel.open_call(
        STREAM, request, target=Target(bot="one", chat=GENERAL), key=key, half_closed=False
    )


async def step(call, text: str, *, final: bool = False) -> None:
    await call.send(pb.StreamReplyRequest(text=text, is_final=final).SerializeToString())
    if final:
        call.half_close()


async def result_of(call):
    return pb.StreamReplyResponse.FromString(await call.result()).result


def texts(discord) -> list[str]:
    return [message["content"] for message in discord.server.methods.messages.get(world.GENERAL, ())]


async def test_one_message_is_edited(discord) -> None:
    call = opened(discord, "one")
    await discord.server.request("POST", "messages")
    await step(call, "one two")
    await discord.server.request("PATCH", "messages")
    await step(call, "one two three", final=True)
    result = await result_of(call)
    assert texts(discord) == ["one two three"]
    assert result.message_id == discord.server.methods.messages[world.GENERAL][0]["id"]


async def test_what_grows_too_long_goes_on_in_another_message(discord) -> None:
    call = opened(discord, "one")
    await discord.server.request("POST", "messages")
    await step(call, "word " * 700, final=True)
    result = await result_of(call)
    assert len(result.message_ids) == len(texts(discord)) == 2
    assert "".join(texts(discord)).count("word") == 700


async def test_a_limit_in_the_middle_is_waited_for_by_later_steps(discord) -> None:
    discord.server.fail("PATCH", "messages", Fault.limited(0.01))
    call = opened(discord, "one")
    await discord.server.request("POST", "messages")
    await step(call, "one two")
    await discord.server.request("PATCH", "messages")
    await step(call, "one two three", final=True)
    await result_of(call)
    assert texts(discord) == ["one two three"]


async def test_a_message_that_was_deleted_meanwhile_is_sent_again(discord) -> None:
    call = opened(discord, "one")
    await discord.server.request("POST", "messages")
    discord.server.methods.messages[world.GENERAL].clear()
    await step(call, "one two", final=True)
    await result_of(call)
    assert texts(discord) == ["one two"]
