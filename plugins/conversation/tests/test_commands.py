"""What chat users do with their conversations, and what they cannot."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from conversation_scene import ANN, SECOND, Scene, pb, turn
from jackfield_sdk import Chat, Event, File, InvalidArgument, User
from jackfield_sdk.payload import CustomEvent
from jackfield_sdk.testing import FakeKernel, message

GROUP = Chat.group("g1")


async def test_a_new_conversation_begins_once_for_one_message(scene: Scene) -> None:
    first = await scene.said("hello")
    event = message("/new", chat=ANN, sender=User(id="ann"), bot="b")
    for _ in range(2):
        assert "new conversation" in (await scene.command("new", event=event)).text
    listed = (await scene.call("ListConversations")).conversations
    assert len(listed) == 2
    assert {one.end_reason for one in listed if one.id == first.id} == {pb.END_REASON_RESET}


async def test_conversations_are_listed_and_resumed_by_number_title_and_id(scene: Scene) -> None:
    first = await scene.said("first words")
    await scene.command("title Holidays")
    await scene.command("new")
    second = (await scene.call("OpenConversation")).conversation
    listed = (await scene.command("sessions")).text.splitlines()
    assert listed[1].startswith("* 1. without title")
    assert "2. Holidays" in listed[2]
    for name, expected in (("2", first.id), (second.id, second.id), ("holidays", first.id)):
        assert (await scene.command(f"resume {name}")).text.startswith("Going on with")
        assert (await scene.call("OpenConversation")).conversation.id == expected
    assert "No conversation of yours" in (await scene.command("resume nothing")).text
    with pytest.raises(InvalidArgument):
        await scene.command("resume")


async def test_nobody_reaches_conversations_of_another(scene: Scene) -> None:
    secret = await scene.said("my secret plan")
    await scene.command("title Secret")
    await scene.command("new")
    bob = Chat.private("bob")
    for name in (secret.id, "Secret", "1"):
        assert (
            "No conversation of yours" in (await scene.command(f"resume {name}", chat=bob, sender="bob")).text
        )
    assert (await scene.command("search secret", chat=bob, sender="bob")).text == "Nothing found."
    assert "no conversation here" in (await scene.command("sessions", chat=bob, sender="bob")).text
    assert (await scene.command("search secret", chat=GROUP)).text == "Nothing found."
    assert "secret" in (await scene.command("search secret")).text


async def test_a_place_of_ones_own_comes_before_the_shared_one(scene: Scene) -> None:
    shared = await scene.said("to all", chat=GROUP)
    mine = (await scene.call("OpenConversation", GROUP, user_id="ann")).conversation
    await scene.command("new", chat=GROUP)
    assert (await scene.call("OpenConversation", GROUP)).conversation.id == shared.id
    assert (await scene.call("OpenConversation", GROUP, user_id="ann")).conversation.id != mine.id
    await scene.command("new", chat=GROUP, sender="bob")
    assert (await scene.call("OpenConversation", GROUP)).conversation.id != shared.id


async def test_linked_accounts_resume_across_platforms_when_the_operator_allows_it() -> None:
    async with FakeKernel() as kernel:
        scene = Scene(kernel, config={"resume_across_chats": True, "links": [["b:ann", "d:99"]]})
        async with scene.running():
            first = await scene.said("began on b")
            there = {"chat": Chat.private("99"), "sender": "99", "bot": "d"}
            stranger = {"chat": Chat.private("98"), "sender": "98", "bot": "d"}
            assert "No conversation of yours" in (await scene.command(f"resume {first.id}", **stranger)).text
            refused = await scene.command(f"resume {first.id}", chat=GROUP, sender="99", bot="d")
            assert "private chat only" in refused.text
            assert (await scene.command(f"resume {first.id}", **there)).text.startswith("Going on")
            opened = await scene.call("OpenConversation", there["chat"], bot="d")
            assert opened.conversation.id == first.id
            found = await scene.call("GetHistory", bot="d", conversation_id=first.id)
            assert len(found.turns) == 1
            assert (await scene.call("OpenConversation")).created


async def test_without_that_word_nothing_crosses(scene: Scene) -> None:
    first = await scene.said("private")
    await scene.command("new")
    assert "No conversation of yours" in (await scene.command(f"resume {first.id}", chat=GROUP)).text


async def test_a_conversation_is_sent_as_a_file(scene: Scene) -> None:
    assert "no conversation" in (await scene.command("export")).text
    await scene.said("one", "两")
    for command in ("export", "history export"):
        sent = await scene.command(command)
        (file,) = [segment for segment in sent.segments if isinstance(segment, File)]
        content = json.loads(scene.kernel.state.blobs[file.media.blob_id])
        assert content["conversation"]["turns"] == 2
        assert content["turns"][1]["message"]["content"]["segments"][0]["text"]["text"] == "两"
    assert (await scene.command("history")).text == "User: one\nUser: 两"


async def test_a_person_erases_what_is_theirs(scene: Scene) -> None:
    await scene.said("in private")
    await scene.said("mine in public", chat=GROUP, user="ann")
    group = await scene.said("of bob in public", chat=GROUP, user="bob")
    other = await scene.said("of bob", chat=Chat.private("bob"))
    asked = await scene.command("forgetme")
    assert "1 conversations" in asked.text
    assert (await scene.call("SearchTurns", query="private")).hits
    assert (await scene.command("forgetme confirm")).text == "Erased: 1 conversations, 2 turns."
    for word in ("private", "mine"):
        assert not (await scene.call("SearchTurns", query=word)).hits
    assert await scene.history(group.id) == ["of bob in public"]
    assert await scene.history(other.id) == ["of bob"]


async def test_the_kernels_word_to_forget_reaches_every_byte(scene: Scene) -> None:
    await scene.said("pineapple", user="ann")
    word = CustomEvent({"user": "ann", "bot": "b"})
    forged = Event(
        type="jackfield.user_forgotten", id="e0", payload=word, plugin="onebot", time=datetime.now(UTC)
    )
    await scene.kernel.observe(forged)
    assert (await scene.call("SearchTurns", query="pineapple")).hits
    told = Event(
        type="jackfield.user_forgotten", id="e1", payload=word, plugin="kernel", time=datetime.now(UTC)
    )
    await scene.kernel.observe(told)
    assert not (await scene.call("SearchTurns", query="pineapple")).hits
    folder = scene.kernel.bootstrap("conversation").data_dir
    for content in await asyncio.to_thread(_files, folder):
        assert b"pineapple" not in content, "bytes stayed in the file"


def _files(folder: str) -> list[bytes]:
    return [path.read_bytes() for path in Path(folder).iterdir() if path.is_file()]


async def test_idle_conversations_are_archived_when_asked() -> None:
    async with FakeKernel() as kernel:
        scene = Scene(kernel, config={"expire_after_hours": 1})
        async with scene.running(expire_every=0.01):
            first = await scene.said("old")
            scene.now += 2 * 3600 * SECOND
            published = await kernel.wait_published(2)
            assert published[-1].event.type == "conversation.ended"
            opened = await scene.call("OpenConversation")
            assert (opened.created, opened.conversation.id != first.id) == (True, True)


@pytest.mark.parametrize("args", ["x" * 101, "'; DROP TABLE turns; --"])
async def test_titles_are_text(scene: Scene, args: str) -> None:
    await scene.said("x")
    if len(args) > 100:
        with pytest.raises(InvalidArgument):
            await scene.command(f"title {args}")
    else:
        assert args in (await scene.command(f"title {args}")).text
        assert (
            await scene.call(
                "AppendTurns",
                conversation_id=(await scene.call("OpenConversation")).conversation.id,
                turns=[turn("y", "y")],
            )
        ).turns == 2
