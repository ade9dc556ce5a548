"""Replies that grow."""

import pytest
from jackfield.v1 import adapter_message_pb2 as pb
from jackfield_sdk import Cancelled, Chat, RateLimited, Target
from jackfield_telegram.streaming import Streaming

from tests.platforms.telegram.server import Fault

# A local server and the fake kernel for each test: together more than `make test-fast` has time for.
pytestmark = pytest.mark.slow

STREAM = "/jackfield.v1.Adapter/StreamReply"
ANN = Chat.private("7")
GARDEN = Chat.group("-1005")


@pytest.fixture(autouse=True)
def at_once(monkeypatch) -> None:
    monkeypatch.setattr(Streaming, "private_seconds", 0.0)
    monkeypatch.setattr(Streaming, "group_seconds", 0.0)


def opened(telegram, chat, text, key="k"):
    request = pb.StreamReplyRequest(text=text)
    request.opening.SetInParent()
    return telegram.kernel.open_call(
        STREAM, request, target=Target(bot="one", chat=chat), key=key, half_closed=False
    )


async def step(call, text, *, final=False):
    await call.send(pb.StreamReplyRequest(text=text, is_final=final).SerializeToString())
    if final:
        call.half_close()


async def result_of(call):
    return pb.StreamReplyResponse.FromString(await call.result()).result


async def test_private_chats_see_a_draft_and_then_one_message(telegram) -> None:
    call = opened(telegram, ANN, "one")
    await telegram.server.request("sendMessageDraft", 1)
    await step(call, "one two")
    draft = await telegram.server.request("sendMessageDraft", 2)
    await step(call, "one two three", final=True)
    result = await result_of(call)
    assert draft.params["text"] == "one two"
    assert len({one["draft_id"] for one in telegram.server.store.drafts}) == 1
    assert telegram.server.store.texts() == ["one two three"]
    assert result.message_id


async def test_groups_see_one_message_that_is_edited(telegram) -> None:
    call = opened(telegram, GARDEN, "one")
    await telegram.server.request("sendMessage")
    await step(call, "one two")
    await telegram.server.request("editMessageText")
    await step(call, "one two three", final=True)
    await result_of(call)
    assert telegram.server.store.texts() == ["one two three"]


async def test_a_long_reply_goes_on_in_a_further_message(telegram) -> None:
    call = opened(telegram, GARDEN, "a" * 4000)
    await telegram.server.request("sendMessage")
    await step(call, "a" * 4000 + " " + "b" * 3000, final=True)
    result = await result_of(call)
    assert [len(text.strip()) for text in telegram.server.store.texts()] == [4000, 3000]
    assert len(result.message_ids) == 2


async def test_a_stream_opened_anew_goes_on_with_its_message(telegram) -> None:
    call = opened(telegram, GARDEN, "one")
    await telegram.server.request("sendMessage")
    await step(call, "one two")
    await telegram.server.request("editMessageText")
    call.cancel()
    with pytest.raises(Cancelled):
        await call.result()
    again = opened(telegram, GARDEN, "one two three")
    await step(again, "one two three four", final=True)
    await result_of(again)
    assert telegram.server.store.texts() == ["one two three four"]


async def test_a_draft_that_is_refused_does_no_harm(telegram) -> None:
    telegram.server.fail("sendMessageDraft", Fault(400, "Bad Request: TEXTDRAFT_PEER_INVALID"))
    call = opened(telegram, ANN, "one")
    await step(call, "one two", final=True)
    await result_of(call)
    assert telegram.server.store.texts() == ["one two"]


async def test_an_edit_that_is_refused_for_now_is_caught_up(telegram) -> None:
    call = opened(telegram, GARDEN, "one")
    await telegram.server.request("sendMessage")
    telegram.server.fail("editMessageText", Fault(500))
    await step(call, "one two")
    await step(call, "one two three", final=True)
    await result_of(call)
    assert telegram.server.store.texts() == ["one two three"]


async def test_a_deleted_message_is_sent_again_at_the_end(telegram) -> None:
    call = opened(telegram, GARDEN, "one")
    await telegram.server.request("sendMessage")
    telegram.server.store.messages.clear()
    await step(call, "one two", final=True)
    await result_of(call)
    assert telegram.server.store.texts() == ["one two"]


async def test_the_last_edit_waits_as_long_as_the_platform_says(telegram) -> None:
    call = opened(telegram, GARDEN, "one")
    await telegram.server.request("sendMessage")
    telegram.server.fail("editMessageText", Fault(429, "Too Many Requests", {"retry_after": 7}))
    await step(call, "one two", final=True)
    with pytest.raises(RateLimited) as limited:
        await call.result()
    assert limited.value.retry_after == 7
