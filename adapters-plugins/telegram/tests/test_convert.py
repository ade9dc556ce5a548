"""Conversion both ways, as tables and as properties."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jackfield_sdk import (
    BotInvitedToGroup,
    BotMuted,
    BotRemovedFromGroup,
    Face,
    FaceKind,
    File,
    FriendRemoved,
    GroupMemberBanned,
    GroupMemberJoined,
    GroupMemberLeft,
    Image,
    InteractionKind,
    JoinType,
    Location,
    Media,
    Mention,
    Message,
    MessageEdited,
    PlatformSegment,
    Quote,
    Restriction,
    Sticker,
    Text,
    Unknown,
    Video,
    Voice,
)
from jackfield_telegram.albums import grouped, unfinished
from jackfield_telegram.convert.callback import LARGEST_DATA, Pressed, pressed_of, stored_key
from jackfield_telegram.convert.dialect import rich_of
from jackfield_telegram.convert.incoming import mentions, message_of
from jackfield_telegram.convert.outgoing import Plan
from jackfield_telegram.convert.people import Me, chat_of
from jackfield_telegram.convert.updates import KINDS, occurrences
from jackfield_telegram.convert.values import well_formed
from jackfield_telegram.errors import redacted
from jackfield_telegram.offsets import HORIZON, Offset, offset_of

from tests.platforms.telegram import world
from tests.platforms.telegram.html import parse

ME = Me("110201543", "jack_bot")
FILE = {"file_id": "F", "file_unique_id": "u", "file_size": 9, "mime_type": "a/b", "file_name": "n.x"}
MEDIA = Media(platform_id="F", mime="a/b", size=9, name="n.x")


def entity(kind, offset, length, **more):
    return {"type": kind, "offset": offset, "length": length, **more}


@pytest.mark.parametrize(
    ("native", "segments"),
    [
        ({"text": " a\n"}, [Text(" a\n")]),
        ({"photo": world.photo("P")}, [Image(Media(platform_id="P", mime="image/jpeg"))]),
        ({"document": FILE, "caption": "c"}, [File(MEDIA), Text("c")]),
        ({"document": FILE, "caption": "c", "show_caption_above_media": True}, [Text("c"), File(MEDIA)]),
        ({"voice": {**FILE, "duration": 3}}, [Voice(MEDIA, timedelta(seconds=3))]),
        ({"audio": FILE}, [Voice(MEDIA)]),
        ({"video": FILE}, [Video(MEDIA)]),
        ({"animation": FILE, "document": FILE}, [Video(MEDIA)]),
        ({"sticker": {**FILE, "emoji": "🌻", "set_name": "s"}}, [Sticker("F", "s", "🌻", MEDIA)]),
        ({"dice": {"emoji": "🎲", "value": 4}}, [Face(FaceKind.DICE, "4", "dice")]),
        ({"dice": {"emoji": "🎯", "value": 6}}, [Face(FaceKind.FACE, "6", "🎯")]),
        ({"location": {"latitude": 1.5, "longitude": 2}}, [Location(1.5, 2.0)]),
        (
            {
                "venue": {"location": {"latitude": 1, "longitude": 2}, "title": "t", "address": "a"},
                "location": {},
            },
            [Location(1.0, 2.0, "t", "a")],
        ),
        ({"poll": {"id": "1"}}, [PlatformSegment("telegram", "poll", {"id": "1"})]),
        ({"hologram": {"id": "1"}}, [Unknown("[hologram]", "hologram")]),
        (
            {"text": "😀 @jack_bot hi @eve", "entities": [entity("mention", 3, 9), entity("mention", 16, 4)]},
            [Text("😀 "), Mention(ME.id, "jack_bot"), Text(" hi "), Mention("@eve", "eve")],
        ),
        (
            {"text": "Ann?", "entities": [entity("text_mention", 0, 3, user=world.ANN)]},
            [Mention("7", "Ann"), Text("?")],
        ),
        (
            {"text": "/help@Jack_Bot me", "entities": [entity("bot_command", 0, 14)]},
            [Text("/help"), Mention(ME.id, "Jack_Bot"), Text(" me")],
        ),
        ({"text": "/help@other", "entities": [entity("bot_command", 0, 11)]}, [Text("/help@other")]),
        ({"text": "ab", "entities": [entity("mention", 1, 99), entity("mention", -1, 1), 5]}, [Text("ab")]),
    ],
)
def test_received_content(native, segments) -> None:
    message = message_of(native, ME)
    assert message == Message(segments)
    assert mentions(native, message, ME) == any(
        isinstance(s, Mention) and s.user_id == ME.id for s in segments
    )


def test_an_answer_quotes_and_addresses_the_bot() -> None:
    origin = world.message(world.group(), {"id": 110201543, "is_bot": True}, text="q")
    native = world.message(world.group(), text="a", reply_to_message={**origin, "message_id": 5})
    message = message_of(native, ME)
    quote = message.first(Quote)
    assert (quote.message_id, quote.sender_id, quote.origin) == ("5", ME.id, Message("q"))
    assert mentions(native, message, ME)
    opening = {**origin, "forum_topic_created": {"name": "t", "icon_color": 1}}
    assert message_of({**native, "reply_to_message": opening}, ME).first(Quote) is None
    assert not mentions({**native, "reply_to_message": opening}, Message(), ME)


def test_topics_are_threads_and_reply_threads_are_not() -> None:
    in_topic = {"message_thread_id": 9, "is_topic_message": True}
    assert str(chat_of(world.group(), in_topic)) == "group:-1005:9"
    assert str(chat_of(world.private(), in_topic)) == "private:7:9"
    assert str(chat_of(world.group(), {"message_thread_id": 9})) == "group:-1005"
    assert chat_of(world.group(), {"direct_messages_topic": {"topic_id": 3}}).thread_id == "direct-3"


@pytest.mark.parametrize(
    ("kind", "change", "expected"),
    [
        ("chat_member", world.change(world.BEN, "left", "member"), GroupMemberJoined),
        ("chat_member", world.change(world.BEN, "member", "left"), GroupMemberLeft),
        ("chat_member", world.change(world.BEN, "member", "kicked", by=world.ANN), GroupMemberBanned),
        (
            "my_chat_member",
            world.change({"id": 110201543}, "left", "member", by=world.ANN),
            BotInvitedToGroup,
        ),
        (
            "my_chat_member",
            world.change({"id": 110201543}, "member", "kicked", by=world.ANN),
            BotRemovedFromGroup,
        ),
        ("my_chat_member", world.change({"id": 110201543}, "member", "restricted", by=world.ANN), BotMuted),
        (
            "my_chat_member",
            {**world.change({"id": 110201543}, "member", "kicked", by=world.ANN), "chat": world.private()},
            FriendRemoved,
        ),
    ],
)
def test_members(kind, change, expected) -> None:
    (one,) = occurrences({"update_id": 1, kind: change}, ME)
    assert isinstance(one.event.payload, expected)
    if expected is GroupMemberJoined:
        assert one.event.payload.join_type is JoinType.DIRECT
    if expected is GroupMemberBanned:
        assert one.event.payload.restriction is Restriction.BAN


def test_edits_carry_their_stamp() -> None:
    native = world.message(text="new", edit_date=world.DATE + 5)
    (one,) = occurrences({"update_id": 3, "edited_message": native}, ME)
    assert one.event.payload == MessageEdited("0", Message("new"), str(world.DATE + 5))


NAMES = (
    "chat", "from", "text", "entities", "offset", "length", "type", "user", "id", "photo", "dice",
    "reply_to_message", "date", "message", "data", "new_chat_member", "old_chat_member", "status",
    "new_reaction", "old_reaction", "new_chat_members", "title", "caption", "sticker", "venue",
    "location", "emoji",
)  # fmt: skip
FIELDS = st.sampled_from(NAMES)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(FIELDS, inner, max_size=5),
    max_leaves=25,
)


@given(st.sampled_from(KINDS), JSON)
def test_no_update_can_break_the_reading(kind, native) -> None:
    for one in occurrences(well_formed({"update_id": 1, kind: native}), ME):
        assert one.key
        assert one.event.raw_json


MARKDOWN = st.lists(
    st.sampled_from(
        ["**b**", "*i*", "`c`", "\n\n", "\n", "- item\n", "1. x\n", "> q\n", "```py\nx = 1\n```\n", "| a | b |\n|--|--|\n",
         "| 1 | 2 |\n", "[l](https://e.org)", "<b>", "&amp;", "# h\n", "~~s~~", "\\*", "😀", "word ", "**", "`", "---\n"]
    )
    | st.text(max_size=4),
    max_size=60,
).map("".join)  # fmt: skip


@given(MARKDOWN, st.integers(16, 120))
def test_chunks_of_markdown_are_html_that_the_platform_reads(text, limit) -> None:
    rich = rich_of(well_formed(text))
    chunks = list(rich.chunks(limit))
    for chunk in chunks:
        shown, _ = parse(chunk.html())
        assert shown == chunk.text
        assert chunk.size <= limit
    assert "".join("".join(c.text for c in chunks).split()) == "".join(rich.text.split())


@pytest.mark.parametrize(
    ("markdown", "html"),
    [
        ("**a *b***", "<b>a <i>b</i></b>"),
        ("# T\n\ntext", "<b>T</b>\n\ntext"),
        ("- a\n- b\n  1. c", "• a\n• b\n  1. c"),
        ("> q\n\nr", "<blockquote>q</blockquote>\n\nr"),
        ("```py\na<b\n```", '<pre><code class="language-py">a&lt;b</code></pre>'),
        (
            "| a | 名 |\n|---|---|\n| long | b |",
            "<pre>a    | 名\n-----+---\nlong | b</pre>",
        ),
        ("[x](/relative)", "x"),
        ("[x](javascript:alert(1))", "[x](javascript:alert(1))"),
        ("![alt](https://e.org/p.png)", '<a href="https://e.org/p.png">alt</a>'),
        ('[x](https://e.org/?a="1")', '<a href="https://e.org/?a=%221%22">x</a>'),
        ("a <script> & b", "a &lt;script&gt; &amp; b"),
    ],
)
def test_the_dialect(markdown, html) -> None:
    assert rich_of(markdown).html() == html


@given(st.text(max_size=60), st.text(max_size=60), st.text(max_size=60), st.sampled_from([1, 2, 3]))
def test_every_button_comes_back_as_it_was(action, controls, value, kind) -> None:
    meaning = Pressed(InteractionKind(kind), action or "a", controls, value)
    data, kept = meaning.encode()
    assert 1 <= len(data.encode()) <= LARGEST_DATA
    assert bool(stored_key(data)) == bool(kept)
    assert pressed_of(data, kept) == meaning


@pytest.mark.parametrize("data", ["vote_1", "[1,2]", '["b"]', "[", '["x","y"]', "#short"])
def test_buttons_of_other_origin_are_their_own_action(data) -> None:
    assert pressed_of(data).action_id == data


@given(
    st.lists(
        st.sampled_from([Text("text "), Image(Media(url="https://e.org/p")), File(MEDIA), Voice(MEDIA)]),
        min_size=1,
    )
)
def test_every_file_is_sent_once_and_no_album_is_too_large(segments) -> None:
    plan = Plan().add(Message(segments))
    files = sum(len(part.media) for part in plan.parts)
    assert files == sum(not isinstance(segment, Text) for segment in segments)
    assert all(len(part.media) <= 10 for part in plan.parts)


def test_albums_are_put_together_in_their_place() -> None:
    def update(number, album=""):
        more = {"media_group_id": album} if album else {}
        return {"update_id": number, "message": {**world.message(text="x"), **more}}

    updates = [update(1, "A"), update(2), update(3, "A"), update(4, "B")]
    assert [[u["update_id"] for u in group] for group in grouped(updates)] == [[1, 3], [2], [4]]
    assert unfinished(updates) == 3
    assert unfinished(updates[:3]) == 0
    assert unfinished(updates[:2]) is None
    assert unfinished([]) is None


def test_an_offset_is_used_for_its_account_and_for_a_day() -> None:
    checkpoint = Offset("1", 50, 1000.0).encode()
    assert offset_of(checkpoint, "1", 2000.0).usable(2000.0) == 50
    assert offset_of(checkpoint, "2", 2000.0).usable(2000.0) is None
    assert offset_of(checkpoint, "1", 0).usable(1000.0 + HORIZON) is None
    for broken in (b"", b"[]", b"{", b'{"next": "x"}', b'{"account": "1", "next": -4, "at": 1}'):
        assert offset_of(broken, "1", 2000.0).usable(2000.0) is None


def test_tokens_are_taken_out() -> None:
    shown = redacted(
        "POST https://api.telegram.org/bot110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw/getMe\u202e"
    )
    assert "AAHdq" not in shown
    assert "\u202e" not in shown
