"""The Conversation service, as its contract reads."""

from __future__ import annotations

import re
from typing import Any

import pytest
from conversation_scene import ANN, SERVICE, Scene, pb, text_of, turn
from jackfield.v1 import model_pb2
from jackfield_sdk import Chat, Conflict, ContentTooLarge, InvalidArgument, NotFound, Target
from jackfield_sdk.testing import FakeKernel

# More than `make test-fast` has time for.
pytestmark = pytest.mark.slow

GROUP = Chat.group("g:1", "42")


async def test_a_place_has_one_current_conversation(scene: Scene) -> None:
    first = await scene.call("OpenConversation")
    again = await scene.call("OpenConversation")
    assert (first.created, again.created) == (True, False)
    assert first.conversation == again.conversation
    assert re.fullmatch(r"\d{8}_\d{6}_[0-9a-f]{8}", first.conversation.id)
    assert (first.conversation.bot, first.conversation.chat.id) == ("b", "ann")


async def test_places_never_share_a_key(scene: Scene) -> None:
    places: list[tuple[Chat, str, str]] = [
        (Chat.group("1"), "", "b"),
        (Chat.group("1", "42"), "", "b"),
        (Chat.group("1"), "42", "b"),
        (Chat.group("1:42"), "", "b"),
        (Chat.group("1%3A42"), "", "b"),
        (Chat.group("1", "42"), "42", "b"),
        (Chat.group("1"), "", "b2"),
        (Chat.private("1"), "", "b"),
    ]
    opened = [await scene.call("OpenConversation", chat, bot=bot, user_id=user) for chat, user, bot in places]
    assert len({one.conversation.id for one in opened}) == len(places)


async def test_turns_are_added_once(scene: Scene) -> None:
    conversation = await scene.said("one")
    turns = [turn("two", "x"), turn("three", "y")]
    turns[0].usage.input_tokens = 7
    for expected in (3, 3):
        added = await scene.call("AppendTurns", conversation_id=conversation.id, turns=turns)
        assert added.turns == expected
    assert await scene.history(conversation.id) == ["one", "two", "three"]
    listed = await scene.call("ListConversations")
    assert listed.conversations[0].usage.input_tokens == 7


async def test_a_crash_of_the_plugin_loses_nothing() -> None:
    async with FakeKernel() as kernel:
        scene = Scene(kernel)
        async with scene.running():
            conversation = await scene.said("kept")
        async with scene.running():
            assert await scene.history(conversation.id) == ["kept"]


async def test_history_fits_and_pages_back(scene: Scene) -> None:
    conversation = await scene.said(*(f"turn {number}" for number in range(10)))
    newest = await scene.call("GetHistory", conversation_id=conversation.id, max_turns=3)
    assert ([text_of(one) for one in newest.turns], newest.has_more) == (["turn 7", "turn 8", "turn 9"], True)
    older = await scene.call("GetHistory", conversation_id=conversation.id, before_turn_id=newest.turns[0].id)
    assert ([text_of(one) for one in older.turns][-1], older.has_more) == ("turn 6", False)
    few = await scene.history(conversation.id, max_tokens=14)
    assert few == ["turn 8", "turn 9"]


async def test_an_answer_of_a_tool_never_comes_without_its_call(scene: Scene) -> None:
    conversation = await scene.said("what time is it")
    call = turn("", "a", role=model_pb2.MODEL_ROLE_ASSISTANT)
    call.message.tool_calls.add(id="c1", name="clock", arguments_json="{}")
    result = turn("noon", "r", role=model_pb2.MODEL_ROLE_TOOL)
    result.message.tool_call_id = "c1"
    said = turn("It is noon", "s", role=model_pb2.MODEL_ROLE_ASSISTANT)
    await scene.call("AppendTurns", conversation_id=conversation.id, turns=[call, result, said])
    found = await scene.call("GetHistory", conversation_id=conversation.id, max_turns=2)
    assert ([one.id for one in found.turns], found.has_more) == (["s"], True)
    found = await scene.call("GetHistory", conversation_id=conversation.id, max_turns=3)
    assert [one.id for one in found.turns] == ["a", "r", "s"]


async def test_large_turns_come_in_pages_of_a_frame(scene: Scene) -> None:
    conversation = await scene.said("small")
    for number in range(4):
        large = turn("x" * 100_000, f"large{number}")
        await scene.call("AppendTurns", conversation_id=conversation.id, turns=[large])
    found = await scene.call("GetHistory", conversation_id=conversation.id)
    assert (len(found.turns), found.has_more) == (2, True)
    with pytest.raises(ContentTooLarge):
        await scene.call("AppendTurns", conversation_id=conversation.id, turns=[turn("x" * 300_000, "z")])
    largest = turn("", "largest")
    largest.message.content.segments[0].text.text = "y" * (256 * 1024 - largest.ByteSize() - 20)
    await scene.call("AppendTurns", conversation_id=conversation.id, turns=[largest])
    found = await scene.call("GetHistory", conversation_id=conversation.id)
    assert [one.id for one in found.turns] == ["largest"]
    assert len((await scene.call("SearchTurns", query="y" * 300)).hits) == 1


async def test_reset_archives_and_a_repeat_under_its_key_does_nothing(scene: Scene) -> None:
    first = await scene.said("before")
    done = await scene.call("ResetConversation", key="k1")
    assert (done.archived.id, done.archived.end_reason) == (first.id, pb.END_REASON_RESET)
    again = await scene.call("ResetConversation", key="k1")
    assert again.conversation.id == done.conversation.id
    other = await scene.call("ResetConversation", key="k2")
    assert other.archived.id == done.conversation.id
    with pytest.raises(Conflict):
        await scene.call("AppendTurns", conversation_id=first.id, turns=[turn("late", "late")])


async def test_a_compressed_conversation_goes_on_in_a_child(scene: Scene) -> None:
    conversation = await scene.said("long", "talk")
    await scene.call("RenameConversation", conversation_id=conversation.id, title="Plans")
    child = await scene.call(
        "ResetConversation", reason=pb.END_REASON_COMPRESSED, turns=[turn("summary", "s1")]
    )
    assert (child.conversation.parent_id, child.conversation.title) == (conversation.id, "Plans #2")
    assert child.conversation.turns == 1
    third = await scene.call("ResetConversation", reason=pb.END_REASON_COMPRESSED)
    assert third.conversation.title == "Plans #3"


async def test_an_archived_conversation_is_resumed(scene: Scene) -> None:
    first = await scene.said("first")
    await scene.call("RenameConversation", conversation_id=first.id, title="One")
    second = (await scene.call("ResetConversation")).conversation
    for name in (first.id, "One", "One"):
        resumed = await scene.call("ResumeConversation", conversation=name)
        assert (resumed.conversation.id, resumed.conversation.HasField("ended_at")) == (first.id, False)
    assert (await scene.call("OpenConversation")).conversation.id == first.id
    with pytest.raises(Conflict, match="another place"):
        await scene.call("ResumeConversation", GROUP, conversation=first.id)
    moved = await scene.call("ResumeConversation", GROUP, conversation=second.id)
    assert moved.conversation.id == second.id


async def test_a_bot_never_sees_conversations_of_another(scene: Scene) -> None:
    conversation = await scene.said("secret words")
    for method in ("GetHistory", "AppendTurns", "RenameConversation", "SearchTurns"):
        fields: dict[str, Any] = {"conversation_id": conversation.id}
        if method == "AppendTurns":
            fields["turns"] = [turn("x", "x")]
        if method == "SearchTurns":
            fields["query"] = "secret"
        with pytest.raises(NotFound):
            await scene.call(method, bot="other", **fields)
    assert not (await scene.call("SearchTurns", bot="other", query="secret")).hits
    await scene.call("DeleteConversation", bot="other", conversation_id=conversation.id)
    assert await scene.history(conversation.id) == ["secret words"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("umbrella", "Take an umbrella today"),
        ("UMBRELLA take", "Take an umbrella today"),
        ("brell", "Take an umbrella today"),
        ("天气", "今天天气很好，我们去公园"),
        ("公园", "今天天气很好，我们去公园"),
        ("園", "公園で会いましょう"),
        ("날씨", "오늘 날씨 어때요"),
        ("naïve", "A naive question"),
        ('"quo" OR', "Some quo or other"),
    ],
)
async def test_words_are_found_in_every_script(scene: Scene, query: str, found: str) -> None:
    texts = [
        "Take an umbrella today",
        "今天天气很好，我们去公园",
        "公園で会いましょう",
        "오늘 날씨 어때요",
        "A naive question",
        "Some quo or other",
    ]
    await scene.said(*texts)
    hits = (await scene.call("SearchTurns", query=query)).hits
    assert [text_of(hit.turn) for hit in hits] == [found]
    assert hits[0].excerpt


async def test_a_search_is_narrowed(scene: Scene) -> None:
    mine = await scene.said("apple pie", "pear")
    await scene.said("apple cake", chat=GROUP)
    answer = turn("apple juice", "a", role=model_pb2.MODEL_ROLE_ASSISTANT)
    answer.time.FromSeconds(1_700_000_000)
    await scene.call("AppendTurns", conversation_id=mine.id, turns=[answer])

    async def texts(**fields: Any) -> set[str]:
        return {text_of(hit.turn) for hit in (await scene.call("SearchTurns", query="apple", **fields)).hits}

    assert await texts() == {"apple pie", "apple cake", "apple juice"}
    assert await texts(chat=mine.chat) == {"apple pie", "apple juice"}
    assert await texts(conversation_id=mine.id, role=model_pb2.MODEL_ROLE_USER) == {"apple pie"}
    assert await texts(until={"seconds": 1_700_000_001}) == {"apple juice"}
    assert len(await texts(max_hits=1)) == 1


@pytest.mark.parametrize("query", ["", "   ", "*** !!", '"'])
async def test_a_query_without_words_is_refused(scene: Scene, query: str) -> None:
    with pytest.raises(InvalidArgument):
        await scene.call("SearchTurns", query=query)


async def test_lists_come_in_pages(scene: Scene) -> None:
    ids = [(await scene.said("x", chat=Chat.private(f"u{number}"))).id for number in range(5)]
    seen: list[str] = []
    token = ""
    while True:
        page = await scene.call("ListConversations", page_size=2, page_token=token)
        seen += [one.id for one in page.conversations]
        token = page.next_page_token
        if not token:
            break
    assert seen == ids[::-1]
    with pytest.raises(InvalidArgument):
        await scene.call("ListConversations", page_token="!!")


async def test_titles_are_unique_for_a_bot(scene: Scene) -> None:
    first, second = await scene.said("x"), await scene.said("y", chat=GROUP)
    await scene.call("RenameConversation", conversation_id=first.id, title="T")
    with pytest.raises(Conflict):
        await scene.call("RenameConversation", conversation_id=second.id, title="T")
    await scene.call("RenameConversation", conversation_id=first.id, title="")
    await scene.call("RenameConversation", conversation_id=second.id, title="T")
    with pytest.raises(InvalidArgument):
        await scene.call("RenameConversation", conversation_id=second.id, title="x" * 101)


async def test_a_whole_conversation_is_exported(scene: Scene) -> None:
    conversation = await scene.said(*(f"turn {number}" for number in range(90)))
    call = scene.kernel.open_call(
        SERVICE + "ExportConversation",
        pb.ExportConversationRequest(conversation_id=conversation.id),
        target=Target(bot="b", chat=ANN, plugin="conversation"),
        server_streaming=True,
    )
    steps = []
    while (body := await call.read()) is not None:
        steps.append(pb.ExportConversationResponse.FromString(body))
    assert steps[0].conversation.id == conversation.id
    assert [text_of(step.turn) for step in steps[1:]] == [f"turn {number}" for number in range(90)]


async def test_what_is_deleted_is_found_no_more(scene: Scene) -> None:
    conversation = await scene.said("a word to erase")
    for _ in range(2):
        await scene.call("DeleteConversation", conversation_id=conversation.id)
    assert not (await scene.call("SearchTurns", query="erase")).hits
    assert not (await scene.call("SearchTurns", query="eras")).hits
    with pytest.raises(NotFound):
        await scene.history(conversation.id)


def dated(seconds: int) -> pb.ConversationTurn:
    one = turn("x", "x")
    one.time.seconds = seconds
    return one


@pytest.mark.parametrize(
    ("method", "fields", "field"),
    [
        ("AppendTurns", {"turns": []}, "turns"),
        ("AppendTurns", {"turns": [turn("x", "")]}, "turns[0].id"),
        ("AppendTurns", {"turns": [turn("x", "x", role=0)]}, "turns[0].message.role"),
        ("AppendTurns", {"turns": [turn("x", str(n)) for n in range(101)]}, "turns"),
        ("AppendTurns", {"turns": [dated(1 << 40)]}, "turns[0].time"),
        ("AppendTurns", {"turns": [dated(-1)]}, "turns[0].time"),
        ("GetHistory", {"max_turns": 501}, "max_turns"),
        ("SearchTurns", {"query": "x", "max_hits": 101}, "max_hits"),
    ],
)
async def test_a_wrong_request_names_its_field(
    scene: Scene, method: str, fields: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidArgument) as refused:
        await scene.call(method, conversation_id="x", **fields)
    assert refused.value.metadata["field"] == field


async def test_a_call_without_a_chat_is_refused(scene: Scene) -> None:
    with pytest.raises(InvalidArgument, match="chat"):
        await scene.call("OpenConversation", None)
    with pytest.raises(InvalidArgument, match="bot"):
        await scene.call("OpenConversation", bot="")


async def test_observers_hear_what_became_of_conversations(scene: Scene) -> None:
    first = await scene.said("x")
    await scene.call("ResetConversation")
    await scene.call("ResumeConversation", conversation=first.id)
    published = await scene.kernel.wait_published(6)
    names = [one.event.type.removeprefix("conversation.") for one in published]
    assert names == ["started", "ended", "reset", "started", "ended", "resumed"]
