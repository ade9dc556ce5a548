"""Slack's shapes and ours, as tables, and texts that are never cut in a wrong place."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jackfield_kernel.manifest import load_manifest
from jackfield_sdk import (
    Actions,
    Button,
    Chat,
    ChatType,
    File,
    Form,
    FormField,
    Image,
    InvalidArgument,
    Location,
    Media,
    Mention,
    MentionAll,
    Message,
    NotSupported,
    Option,
    Quote,
    Select,
    Text,
    Unknown,
)
from jackfield_slack import adapter
from jackfield_slack.convert import incoming, interactions, mrkdwn
from jackfield_slack.convert.context import ReplyContext
from jackfield_slack.convert.outgoing import Post, Upload, outgoing
from jackfield_slack.reactions import name_of


def me() -> incoming.Self:
    return incoming.Self("UBOT", "B1", "T1")


def callback(**event: Any) -> dict[str, Any]:
    return {"type": "event_callback", "event_id": "Ev1", "event_time": 1, "token": "secret", "event": event}


def message(**more: Any) -> dict[str, Any]:
    base = {
        "type": "message",
        "channel": "C1",
        "channel_type": "channel",
        "user": "U1",
        "ts": "5.1",
        "text": "hi",
    }
    return callback(**{**base, **more})


@pytest.mark.parametrize(
    ("text", "segments"),
    [
        ("hi", [Text("hi")]),
        ("a &lt;b&gt; &amp;amp; c", [Text("a <b> &amp; c")]),
        ("<@U1> hi", [Mention("U1"), Text(" hi")]),
        ("<@U1|ann>", [Mention("U1", "ann")]),
        ("<!channel> <!here|@here>", [MentionAll(), Text(" "), MentionAll()]),
        ("see <https://h/x?a=1&amp;b=2>", [Text("see https://h/x?a=1&b=2")]),
        ("<https://h/x|the page>", [Text("the page (https://h/x)")]),
        ("<https://h.example|h.example>", [Text("h.example")]),
        ("<mailto:a@b.c|a@b.c>", [Text("a@b.c")]),
        ("<#C9|general>", [Text("#general")]),
        ("<!subteam^S1|@team>", [Text("@team")]),
        ("<!date^1^{date}|yesterday>", [Text("yesterday")]),
        ("", []),
    ],
)
def test_received_text(text: str, segments: list[Any]) -> None:
    assert list(mrkdwn.read(text)) == segments


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("**bold** and *it* and ~~no~~", "*bold* and _it_ and ~no~"),
        ("a < b & c", "a &lt; b &amp; c"),
        ("[page](https://h/x?a=1&b=2)", "<https://h/x?a=1&amp;b=2|page>"),
        ("`a < *b*`", "`a &lt; *b*`"),
        ("```python\nx = a < b\n```", "```\nx = a &lt; b\n```"),
        ("# Title", "*Title*"),
        ("- one\n- two", "• one\n• two"),
        (r"\*not bold\*", "*not bold*"),
        ("> said", "> said"),
        ("2 * 3 * 4", "2 * 3 * 4"),
        ("snake_case_name", "snake_case_name"),
        ("<https://h/x>", "<https://h/x>"),
        ("| a | b |\n|---|---|\n| 1 | 22 |\n", "```\na  b\n-  --\n1  22\n```\n"),
    ],
)
def test_markdown_is_written_in_slacks_markup(source: str, shown: str) -> None:
    assert mrkdwn.from_markdown(source) == shown


@given(st.text(alphabet="ab &<>*_`~[]()|\n#-\\1.\x00", max_size=200))
def test_markdown_of_any_kind_is_written_without_open_escapes(text: str) -> None:
    shown = mrkdwn.from_markdown(text)
    assert not re.search(r"&(?!amp;|lt;|gt;)", shown)
    assert "\x00" not in shown


@given(st.text(alphabet="ab &<>\n😀", max_size=900), st.integers(160, 300))
def test_long_plain_text_keeps_every_character_and_cuts_no_escape(text: str, limit: int) -> None:
    pieces = mrkdwn.written(text, markdown=False, limit=limit)
    assert mrkdwn.unescape("".join(pieces)) == text
    for piece in pieces:
        assert len(piece) <= limit
        assert not re.search(r"&(?!amp;|lt;|gt;)", piece)


@given(st.lists(st.sampled_from(["word", "<", "&", "\n", "@"]), min_size=30, max_size=300))
def test_a_long_message_never_cuts_a_mention(parts: list[str]) -> None:
    built = Message(*(Mention("U12345") if part == "@" else Text(part + " ") for part in parts))
    for step in outgoing(built, limit=60).steps:
        assert isinstance(step, Post)
        assert len(step.text) <= 60
        assert re.sub(r"<@U12345>", "", step.text).count("<") == 0
        assert not re.search(r"&(?!amp;|lt;|gt;)", step.text)


def test_a_code_block_that_is_split_is_closed_and_opened_again() -> None:
    source = "```\n" + "\n".join(f"line {n} & more" for n in range(600)) + "\n```"
    pieces = mrkdwn.written(source, markdown=True)
    assert len(pieces) > 2
    assert all(len(piece) <= 4000 and piece.count("```") == 2 for piece in pieces)


@pytest.mark.parametrize(
    ("change", "chat"),
    [
        ({"channel": "D1", "channel_type": "im"}, Chat(ChatType.PRIVATE, "D1")),
        ({"channel": "G1", "channel_type": "mpim"}, Chat(ChatType.GROUP, "G1", parent_id="T1")),
        ({}, Chat(ChatType.CHANNEL, "C1", parent_id="T1")),
        ({"channel_type": "group"}, Chat(ChatType.CHANNEL, "C1", parent_id="T1")),
        ({"thread_ts": "4.1"}, Chat(ChatType.CHANNEL, "C1", "4.1", "T1")),
        ({"thread_ts": "5.1"}, Chat(ChatType.CHANNEL, "C1", parent_id="T1")),
    ],
)
def test_the_conversation_of_a_message(change: dict[str, Any], chat: Chat) -> None:
    found = incoming.heard(message(**change), me())
    assert found is not None
    assert found.event.chat == chat
    context = ReplyContext.read(found.event.reply_context, chat.id)
    assert (context.thread_ts, context.ts) == (chat.thread_id, "5.1")


def test_a_mention_that_comes_twice_is_one_occurrence() -> None:
    first = incoming.heard(message(text="<@UBOT> hi"), me())
    second = incoming.heard({**message(text="<@UBOT> hi", type="app_mention"), "event_id": "Ev2"}, me())
    assert first is not None
    assert second is not None
    assert first.dedup_key == second.dedup_key
    assert first.event.payload == second.event.payload
    assert first.event.payload.mentions_bot  # type: ignore[union-attr]


EDITED = {
    "subtype": "message_changed",
    "message": {"ts": "4.1", "user": "U1", "text": "new", "edited": {"ts": "6"}},
    "previous_message": {"text": "old"},
}
PREVIEWED = {
    "subtype": "message_changed",
    "message": {"ts": "4.1", "user": "U1", "text": "a", "attachments": [{}]},
    "previous_message": {"text": "a"},
}


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        ({"subtype": "message_deleted", "deleted_ts": "4.1"}, "MessageDeleted"),
        (EDITED, "MessageEdited"),
        ({"subtype": "channel_topic"}, "GroupInfoUpdated"),
        ({"subtype": "huddle_thread"}, "PlatformEvent"),
        ({"type": "reaction_added", "reaction": "eyes", "item": {"type": "message", "channel": "C1", "ts": "4.1"}}, "MessageReaction"),
        ({"type": "member_joined_channel"}, "GroupMemberJoined"),
        ({"type": "member_left_channel"}, "GroupMemberLeft"),
        ({"type": "member_joined_channel", "user": "UBOT", "inviter": "U1"}, "BotInvitedToGroup"),
        ({"type": "channel_left"}, "BotRemovedFromGroup"),
        ({"type": "channel_rename", "channel": {"id": "C1", "name": "n"}}, "GroupInfoUpdated"),
        ({"type": "app_home_opened"}, "PlatformEvent"),
        ({"type": "Odd.Name"}, "PlatformEvent"),
    ],
)  # fmt: skip
def test_every_event_has_its_type(event: dict[str, Any], kind: str) -> None:
    found = incoming.heard(message(**event), me())
    assert found is not None
    assert type(found.event.payload).__name__ == kind
    assert found.dedup_key == "Ev1"
    assert "secret" not in json.dumps(found.event.raw)


@pytest.mark.parametrize(
    "event",
    [
        {"user": "UBOT"},
        {"bot_id": "B1", "user": None},
        {"subtype": "channel_join"},
        {"subtype": "message_changed", "message": {"ts": "4.1", "user": "UBOT", "text": "own"}},
        PREVIEWED,
        {"type": "reaction_added", "user": "UBOT", "item": {"type": "message", "channel": "C1", "ts": "4.1"}},
    ],
)  # fmt: skip
def test_what_the_bot_did_itself_and_previews_are_left_out(event: dict[str, Any]) -> None:
    assert incoming.heard(message(**event), me()) is None


@pytest.mark.parametrize(
    "event", [None, [], {}, {"type": 5}, {"type": "message"}, {"type": "message", "channel": "C1"}]
)
def test_malformed_events_are_refused(event: Any) -> None:
    with pytest.raises(InvalidArgument):
        incoming.heard({"event_id": "Ev1", "event": event}, me())


def test_files_are_segments_by_their_type() -> None:
    files = [
        {"id": "F1", "mimetype": "image/png", "size": 5, "name": "../p.png"},
        {"id": "F2", "mimetype": "audio/mp4", "duration_ms": 1500},
        {"id": "F3", "mimetype": "video/mp4"},
        {"id": "F4", "mimetype": "text/plain", "size": "x"},
        {"id": "F5", "mode": "tombstone"},
        "nonsense",
    ]
    found = incoming.heard(message(text="", subtype="file_share", files=files), me())
    assert found is not None
    parts = list(found.event.message)
    assert [type(part).__name__ for part in parts] == ["Image", "Voice", "Video", "File", "Unknown"]
    assert parts[0].media == Media(platform_id="F1", mime="image/png", size=5, name=".._p.png")  # type: ignore[union-attr]


def test_controls_come_back_as_they_were_sent() -> None:
    buttons = Actions("menu", (Button("yes", "Yes", value="1"), Select("pick", options=(Option("a", "A"),))))
    form = Form("survey", "Survey", "Say", (FormField("name", "Name", required=True),), (Button("go", "Go"),))
    (post,) = outgoing(Message("Choose & say", buttons, form)).steps
    assert isinstance(post, Post)
    kinds = [block["type"] for block in post.blocks]
    assert kinds == ["section", "actions", "section", "input", "actions"]
    assert "1. Yes" in post.text
    assert "Choose &amp; say" in post.text
    payload: dict[str, Any] = {
        "type": "block_actions",
        "trigger_id": "t1",
        "user": {"id": "U1"},
        "channel": {"id": "C1"},
        "message": {"ts": "5.1"},
    }
    button = {"type": "button", "block_id": post.blocks[1]["block_id"], "action_id": "yes", "value": "1"}
    (pressed,) = interactions.interaction({**payload, "actions": [button]}, me())
    got = pressed.event.payload
    assert (got.kind.name, got.action_id, got.controls_id, got.values) == (
        "BUTTON",
        "yes",
        "menu",
        {"value": "1"},
    )  # type: ignore[union-attr]
    choice = {
        "type": "static_select",
        "block_id": post.blocks[1]["block_id"],
        "action_id": "pick",
        "selected_option": {"value": "a"},
    }
    (chosen,) = interactions.interaction({**payload, "actions": [choice]}, me())
    assert chosen.event.payload.values == {"values": ["a"]}  # type: ignore[union-attr]
    sent = {"type": "button", "block_id": post.blocks[4]["block_id"], "action_id": "go"}
    state = {"values": {post.blocks[3]["block_id"]: {"name": {"type": "plain_text_input", "value": "Ann"}}}}
    (filled,) = interactions.interaction({**payload, "actions": [sent], "state": state}, me())
    got = filled.event.payload
    assert (got.kind.name, got.controls_id, got.values) == ("FORM", "survey", {"name": "Ann"})  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"type": 5},
        {"type": "block_actions", "actions": [{}]},
        {"type": "view_submission"},
        {"type": "shortcut"},
    ],
)
def test_malformed_interactions_are_refused(payload: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgument):
        list(interactions.interaction(payload, me()))


def test_media_goes_by_blob_by_block_or_by_link() -> None:
    built = outgoing(
        Message(
            "see ",
            Image(Media(url="https://h/p.png", name="p")),
            File(Media(url="https://h/d.pdf", name="d")),
            Image(Media(blob_id="sha256-1", name="b.png")),
            Location(1.5, 2.5, "Here"),
        )
    )
    assert [type(step).__name__ for step in built.steps] == ["Post", "Upload", "Post"]
    first = built.steps[0]
    assert isinstance(first, Post)
    assert [block["type"] for block in first.blocks] == ["section", "image", "section"]
    assert "<https://h/d.pdf|d>" in first.text
    assert isinstance(built.steps[1], Upload)
    assert built.degraded == ("file", "location")


def test_what_has_no_form_is_refused_before_anything_is_sent() -> None:
    for segment in (Unknown(text="x"), Image(Media(platform_id="F1")), Image(None)):
        with pytest.raises(NotSupported):
            outgoing(Message("first", segment))
    with pytest.raises(InvalidArgument):
        outgoing(Message(Actions("a", (Button("x" * 256, "X"),))))
    assert outgoing(Message(Quote("4.1", origin=Message("was said")), "so")).degraded == ("quote",)


def test_a_reply_context_belongs_to_its_channel() -> None:
    context = ReplyContext("C1", "4.1", "5.1", "https://hooks/x")
    assert ReplyContext.read(context.to_bytes(), "C1") == context
    for data in (context.to_bytes(), b"{", b"[]"):
        with pytest.raises(InvalidArgument):
            ReplyContext.read(data, "C2")


def test_reactions_are_named() -> None:
    assert [name_of(one) for one in ("👍", ":eyes:", "tada", "❤️", "+1")] == [
        "thumbsup",
        "eyes",
        "tada",
        "heart",
        "+1",
    ]
    with pytest.raises(InvalidArgument):
        name_of("🫠")


def test_the_manifest_fits() -> None:
    manifest = load_manifest(Path(adapter.__file__).parent / "jackfield-plugin.yaml")
    assert manifest.lent == {"signing_secret"}
