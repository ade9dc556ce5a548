"""Between native objects and the common ones."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jackfield_discord.checkpoint import Checkpoint
from jackfield_discord.convert.controls import Meaning, rows_of
from jackfield_discord.convert.dialect import escaped, rendered
from jackfield_discord.convert.events import Setting, event_of
from jackfield_discord.convert.incoming import message_of
from jackfield_discord.convert.interactions import interaction_event
from jackfield_discord.convert.outgoing import LONGEST_TEXT, Plan
from jackfield_discord.convert.values import snowflake_at, snowflake_time
from jackfield_discord.errors import closed, error_of
from jackfield_sdk import (
    Actions,
    Button,
    ContentTooLarge,
    Face,
    FaceKind,
    Forward,
    Image,
    InvalidArgument,
    Location,
    Mention,
    MentionAll,
    Message,
    PlatformSegment,
    Quote,
    Select,
    Text,
    Unknown,
    Voice,
)
from jackfield_sdk.interactive import Option

from tests.platforms.discord import world

IN_GUILD = {"guild_id": world.GUILD}
SETTING = Setting("1000")


@pytest.mark.parametrize(
    ("kind", "native", "expected"),
    [
        ("MESSAGE_UPDATE", {"id": "1", "edited_timestamp": "2026-01-01T00:00:00+00:00"}, "MessageEdited"),
        ("MESSAGE_UPDATE", {"id": "1", "edited_timestamp": None}, "PlatformEvent"),
        ("MESSAGE_CREATE", {"id": "1", "type": 7, "author": world.ANN}, "PlatformEvent"),
        ("MESSAGE_CREATE", {"id": "1", "author": world.ME}, "None"),
        ("MESSAGE_DELETE", {"id": "1", "channel_id": "2"}, "MessageDeleted"),
        (
            "MESSAGE_REACTION_ADD",
            {"message_id": "1", "user_id": "5", "emoji": {"name": "x"}},
            "MessageReaction",
        ),
        ("MESSAGE_REACTION_REMOVE", {"message_id": "1", "user_id": "1000"}, "None"),
        ("GUILD_MEMBER_ADD", {**IN_GUILD, "user": world.ANN}, "GroupMemberJoined"),
        ("GUILD_MEMBER_REMOVE", {**IN_GUILD, "user": world.ANN}, "GroupMemberLeft"),
        ("GUILD_BAN_ADD", {**IN_GUILD, "user": world.ANN}, "GroupMemberBanned"),
        ("GUILD_BAN_REMOVE", {**IN_GUILD, "user": world.ANN}, "GroupMemberUnbanned"),
        ("GUILD_MEMBER_UPDATE", {**IN_GUILD, "user": world.ANN, "nick": "A"}, "PlatformEvent"),
        ("GUILD_UPDATE", world.guild(), "GroupInfoUpdated"),
        ("GUILD_CREATE", world.guild(), "BotInvitedToGroup"),
        ("GUILD_DELETE", {"id": world.GUILD}, "BotRemovedFromGroup"),
        ("GUILD_DELETE", {"id": world.GUILD, "unavailable": True}, "PlatformEvent"),
        ("VOICE_STATE_UPDATE", IN_GUILD, "PlatformEvent"),
        ("NEVER_HEARD_OF", {}, "PlatformEvent"),
    ],
)
def test_frames_become_events(kind: str, native: dict[str, Any], expected: str) -> None:
    event = event_of(kind, native, SETTING)
    assert (type(event.payload).__name__ if event is not None else "None") == expected


def test_a_timeout_is_a_ban_for_a_time_and_the_bots_own_mutes_it() -> None:
    until = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    native = {**IN_GUILD, "communication_disabled_until": until}
    event = event_of("GUILD_MEMBER_UPDATE", {**native, "user": world.ANN}, SETTING)
    assert timedelta(minutes=59) < event.payload.duration <= timedelta(hours=1)
    event = event_of("GUILD_MEMBER_UPDATE", {**native, "user": world.ME}, SETTING)
    assert type(event.payload).__name__ == "BotMuted"


def test_a_message_is_read_in_its_parts() -> None:
    native = {
        "content": "hi <@2001> @everyone <:blob:55> <@&77> end",
        "mentions": [{**world.ANN, "member": {"nick": "Annie"}}],
        "mention_everyone": True,
        "message_reference": {"message_id": "9"},
        "referenced_message": {"author": world.BOB, "content": "before"},
        "attachments": [
            {"id": "1", "filename": "a.png", "content_type": "image/png", "size": 3},
            {"id": "2", "filename": "v.ogg", "content_type": "audio/ogg", "duration_secs": 1.5},
        ],
        "flags": 1 << 13,
        "channel_id": "3",
        "id": "4",
        "embeds": [{"type": "rich", "title": "t"}, {"type": "link"}],
    }
    segments = list(message_of(native))
    assert segments[0] == Quote("9", sender_id="2002", origin=Message("before"))
    assert segments[1:9] == [
        Text("hi "),
        Mention("2001", "Annie"),
        Text(" "),
        MentionAll(),
        Text(" "),
        Face(FaceKind.FACE, "55", "blob"),
        Text(" "),
        PlatformSegment("discord", "role_mention", {"role_id": "77"}),
    ]
    assert isinstance(segments[10], Image)
    assert segments[10].media.platform_id == "3/4/1"
    assert isinstance(segments[11], Voice)
    assert [s.type for s in segments[12:]] == ["embed"]


def test_a_forwarded_message_is_a_bundle() -> None:
    snapshot = {"message": {"content": "original", "timestamp": "2026-01-01T00:00:00+00:00"}}
    native = {"message_reference": {"type": 1, "message_id": "9"}, "message_snapshots": [snapshot]}
    (forward,) = message_of(native)
    assert isinstance(forward, Forward)
    assert forward.nodes[0].message == Message("original")


SCALARS = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.text(max_size=8) | st.just(world.ANN)
VALUES = SCALARS | st.lists(SCALARS, max_size=2) | st.dictionaries(st.sampled_from(["id", "name"]), SCALARS)
NAMES = """id author user content mentions attachments embeds message_reference emoji data type message_snapshots timestamp
    edited_timestamp communication_disabled_until guild_id member token"""
FIELDS = st.dictionaries(st.sampled_from(re.split(r"\s+", NAMES)), VALUES, max_size=6)


@given(
    st.sampled_from(
        [
            "MESSAGE_CREATE",
            "MESSAGE_UPDATE",
            "MESSAGE_REACTION_ADD",
            "INTERACTION_CREATE",
            "GUILD_MEMBER_UPDATE",
            "GUILD_CREATE",
        ]
    ),
    FIELDS,
)
def test_nothing_malformed_raises(kind: str, native: dict[str, Any]) -> None:
    event_of(kind, native, SETTING)


def test_a_command_of_the_catalog_is_a_message() -> None:
    data = {"name": "help", "options": [{"type": 3, "name": "args", "value": "me now"}]}
    native = {"id": "1", "type": 2, "data": data, "user": world.ANN}
    assert interaction_event(native, None, frozenset({"help"})).text == "/help me now"
    assert interaction_event(native, None, frozenset()).type == ""


@pytest.mark.parametrize(
    ("plain", "shown"),
    [
        ("a*b_c", "a\\*b\\_c"),
        ("# no heading", "\\# no heading"),
        ("1. no list", "1\\. no list"),
        ("https://x.org/a_b_c *", "https://x.org/a_b_c \\*"),
        ("@everyone", "@\u200beveryone"),
        ("mail@host", "mail@host"),
        ("<@1>", "\\<@1\\>"),
    ],
)
def test_plain_text_shows_as_written(plain: str, shown: str) -> None:
    assert escaped(plain) == shown


def test_markdown_is_adapted() -> None:
    text = "#### small\n\n| a | b |\n|---|---|\n| 1 | 日本 |\n\n![pic](http://x/y)\n\n---\n~~~py\n| a |\n~~~"
    assert rendered(text).split("\n") == [
        "**small**", "", "```", "a  b", "-  ----", "1  日本", "```", "", "[pic](http://x/y)", "", "─" * 12, "```py", "| a |", "```",
    ]  # fmt: skip


@given(st.text(alphabet=st.sampled_from("ab *_`\\\n#<>@|日\U0001f600"), max_size=5000))
def test_chunks_fit_and_say_everything(text: str) -> None:
    if not text.strip():
        return
    parts = Plan().add(Message(text)).parts
    assert all(0 < len(part.content) <= LONGEST_TEXT for part in parts)
    bare = re.sub(r"\\(.)", r"\1", "".join(part.content for part in parts), flags=re.DOTALL)
    assert sorted(bare.replace("\u200b", "").replace("\n", "").replace(" ", "")) == sorted(
        text.replace("\n", "").replace(" ", "")
    )
    for part in parts:
        # No escape is cut.
        assert (len(part.content) - len(part.content.rstrip("\\"))) % 2 == 0


def test_what_cannot_be_shown_is_said() -> None:
    plan = Plan().add(Message(Location(1.5, 2.5, "here"), Face(FaceKind.DICE, name="dice")))
    assert plan.degraded == ["location", "face"]
    with pytest.raises(InvalidArgument):
        Plan().add(Message(Unknown("x")))
    with pytest.raises(InvalidArgument):
        Plan().add(Message(""))


def test_controls_become_rows() -> None:
    buttons = tuple(Button(str(number), str(number)) for number in range(6))
    select = Select("s", options=(Option("v", "V"),))
    rows = rows_of(Actions("c", (*buttons, select)))
    assert [len(row["components"]) for row in rows] == [5, 1, 1]
    assert Meaning.decode(rows[2]["components"][0]["custom_id"]) == Meaning("s", "c")
    with pytest.raises(ContentTooLarge):
        rows_of(Actions("c", (Button("x" * 120),)))


@given(st.text(max_size=20), st.text(max_size=20), st.text(max_size=20))
def test_a_control_gives_back_what_it_means(action: str, controls: str, value: str) -> None:
    meaning = Meaning(action, controls, value)
    try:
        encoded = meaning.encode()
    except ContentTooLarge:
        # Control characters and quotes take more than one.
        assert len(repr(action + controls + value)) > 30
        return
    assert len(encoded) <= 100
    assert Meaning.decode(encoded) == meaning


def test_checkpoints() -> None:
    checkpoint = Checkpoint("s", "wss://x", 3).saw(10, "7").saw(9, "7")
    assert (checkpoint.message, checkpoint.private, checkpoint.resumable) == (10, ("7",), True)
    assert Checkpoint.decode(checkpoint.encode()) == checkpoint
    for nonsense in (b"", b"[]", b"{", b'{"session": 7, "private": 3}', b"\xff"):
        assert Checkpoint.decode(nonsense) == Checkpoint()


def test_ids_tell_their_time() -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    assert snowflake_time(snowflake_at(now)) == now


@pytest.mark.parametrize(
    ("status", "answer", "effect", "reason"),
    [
        (401, {}, True, "AUTH_EXPIRED"),
        (403, {"code": 50013}, True, "PERMISSION_DENIED"),
        (404, {"code": 10003}, True, "NOT_FOUND"),
        (400, {"code": 50035}, True, "INVALID_ARGUMENT"),
        (400, {"code": 40005}, True, "CONTENT_TOO_LARGE"),
        (429, {"retry_after": "nan"}, True, "RATE_LIMITED"),
        (502, "<html>", True, "OUTCOME_UNKNOWN"),
        (502, "<html>", False, "UNAVAILABLE"),
        (418, None, True, "PLATFORM_ERROR"),
    ],
)
def test_refusals(status: int, answer: Any, effect: bool, reason: str) -> None:
    error = error_of("GET x", status, answer, {}, effect=effect)
    assert error.reason == reason
    assert error.retry_after is None or error.retry_after == 1.0


def test_the_gateways_last_words() -> None:
    assert [closed(code).reason for code in (4004, 4014, 4011)] == [
        "AUTH_EXPIRED",
        "PERMISSION_DENIED",
        "PLATFORM_ERROR",
    ]
