"""Content both ways."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jackfield_lark.convert.content import content_of, media_parts
from jackfield_lark.convert.context import ReplyContext, Self
from jackfield_lark.convert.incoming import heard
from jackfield_lark.convert.markup import rich
from jackfield_lark.convert.outgoing import Post, Upload, outgoing
from jackfield_sdk import (
    Actions,
    Button,
    Form,
    FormField,
    FormFieldType,
    Image,
    InteractionKind,
    InteractionReceived,
    InvalidArgument,
    Media,
    Mention,
    MentionAll,
    Message,
    MessageReceived,
    Option,
    Select,
    Text,
    markdown,
)
from jackfield_sdk.chunking import length

from tests.platforms.lark.chats import ANN, BOB, BOT, DIRECT, TEAM, check_card
from tests.platforms.lark.events import event, ids, pressed, received

MENTIONS = [{"key": f"@_user_{n}", "id": ids(f"ou_{n}"), "name": f"N{n}"} for n in (1, 12)]


def me() -> Self:
    return Self(BOT, "cli_1")


def message(kind: str, content: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "message_id": "om_1", "chat_id": DIRECT, "chat_type": "p2p", "message_type": kind, "content": json.dumps(content),
        "create_time": "1760000000000", **more,
    }  # fmt: skip


def test_mentions_are_read_by_the_longest_name() -> None:
    found = content_of("text", json.dumps({"text": "@_user_12 and @_user_1, @_all!"}), MENTIONS, "om_1")
    assert found == (
        Mention("ou_12", "N12"), Text(" and "), Mention("ou_1", "N1"), Text(", "), MentionAll(), Text("!"),
    )  # fmt: skip


def test_a_post_is_read_in_order() -> None:
    content = {
        "title": "News",
        "content": [
            [{"tag": "text", "text": "see "}, {"tag": "a", "text": "this", "href": "https://x.y"}],
            [{"tag": "img", "image_key": "img_1"}, {"tag": "strange"}],
        ],
    }
    text, picture, unknown = content_of("post", json.dumps(content), [], "om_1")
    assert text == Text("News\nsee this (https://x.y)\n")
    assert isinstance(picture, Image)
    assert picture.media is not None
    assert media_parts(picture.media.platform_id) == ("image", "om_1", "img_1")
    assert unknown.text == "[strange]"


def test_the_bot_is_known_when_it_is_mentioned_and_its_own_words_are_dropped() -> None:
    mentions = [{"key": "@_user_1", "id": ids(BOT), "name": "Bot"}]
    found = heard(received(message("text", {"text": "@_user_1 hi"}, mentions=mentions)), me())
    assert isinstance(found[0].event.payload, MessageReceived)
    assert found[0].event.payload.mentions_bot
    assert found[0].dedup_key == "message:om_1"
    assert heard(received(message("text", {"text": "x"}), BOT, "app"), me()) == []


def test_what_was_read_is_told_to_nobody() -> None:
    assert heard(event("im.message.message_read_v1", {"reader": {}}), me()) == []


def test_each_new_member_is_an_event_with_a_key_of_its_own() -> None:
    users = [{"name": name, "user_id": ids(name)} for name in (ANN, BOB)]
    found = heard(event("im.chat.member.user.added_v1", {"chat_id": TEAM, "users": users}, "ev"), me())
    assert [one.dedup_key for one in found] == ["ev", "ev.1"]


def test_tokens_are_not_kept() -> None:
    found = heard(
        pressed(DIRECT, "om_1", {"tag": "button", "value": {"k": "ask", "a": "yes", "v": "1"}}), me()
    )
    assert "token" not in json.dumps(found[0].event.raw)
    payload = found[0].event.payload
    assert isinstance(payload, InteractionReceived)
    assert (payload.controls_id, payload.action_id, payload.values) == ("ask", "yes", {"value": "1"})


@pytest.mark.parametrize(
    ("action", "kind", "values"),
    [
        (
            {"tag": "select_static", "option": "b", "value": {"a": "s"}},
            InteractionKind.SELECT,
            {"values": ["b"]},
        ),
        (
            {"tag": "multi_select_static", "options": ["a", "b"]},
            InteractionKind.SELECT,
            {"values": ["a", "b"]},
        ),
        (
            {"tag": "button", "form_value": {"n": "Ann"}, "value": {"a": "ok"}},
            InteractionKind.FORM,
            {"n": "Ann"},
        ),
        ({"tag": "button", "value": {"foreign": 1}}, InteractionKind.BUTTON, {"foreign": 1}),
    ],
)
def test_controls_are_told_apart(
    action: dict[str, Any], kind: InteractionKind, values: dict[str, Any]
) -> None:
    payload = heard(pressed(DIRECT, "om_1", action), me())[0].event.payload
    assert isinstance(payload, InteractionReceived)
    assert (payload.kind, payload.values) == (kind, values)


def test_nobody_is_addressed_by_what_a_text_says() -> None:
    (plain,) = outgoing(Message('<at user_id="all"></at>')).steps
    assert plain == Post(
        "post", {"zh_cn": {"content": [[{"tag": "text", "text": '<at user_id="all"></at>'}]]}}
    )
    assert "<at" not in rich('x <at user_id="all"></at>')
    with pytest.raises(InvalidArgument):
        outgoing(Message(Mention('x" y="')))


def test_headings_and_tables_are_shown_as_lark_can() -> None:
    assert rich("# Head\n\n| a | b |\n|---|---|\n| 1 | 2 |\nend") == (
        "**Head**\n\n```\n| a | b |\n|---|---|\n| 1 | 2 |\n```\nend"
    )
    assert rich("```\n# no head\n```") == "```\n# no head\n```"


def test_order_is_kept_around_files() -> None:
    first, second, third = outgoing(Message("one ", Image(Media(blob_id="b")), markdown("*two*"))).steps
    assert isinstance(first, Post)
    assert isinstance(second, Upload)
    assert third == Post("post", {"zh_cn": {"content": [[{"tag": "md", "text": "*two*"}]]}})


def test_controls_make_one_card_with_the_text_before_and_after() -> None:
    form = Form(
        "f",
        "Order",
        "",
        (FormField("n", "Name"), FormField("d", "Day", FormFieldType.DATE)),
        (Button("ok", "OK"),),
    )
    select = Select("s", "", (Option("a", "A"),), 0, 2)
    (step,) = outgoing(Message("Pick", Actions("ask", (Button("yes", "Yes"), select)), form, "end")).steps
    assert isinstance(step, Post)
    check_card(step.content)
    tags = [element["tag"] for element in step.content["body"]["elements"]]
    assert tags == ["div", "button", "multi_select_static", "div", "form", "div"]


@given(st.text(max_size=400), st.booleans())
def test_long_text_is_split_within_the_limit_and_nothing_is_lost(text: str, marked: bool) -> None:
    steps = outgoing(Message(markdown(text) if marked else text), limit=64).steps
    assert all(isinstance(step, Post) for step in steps)
    if not marked and "<" not in text:
        parts = [step.content["text"] for step in steps if isinstance(step, Post)]
        assert all(length(part, "bytes") <= 64 for part in parts)
        assert "".join("".join(parts).split()) == "".join(text.split())


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.sampled_from(["text", "post", "image", "file", "audio", "media", "location", "odd"]),
    st.fixed_dictionaries(
        {}, optional=dict.fromkeys(("text", "content", "image_key", "file_key", "duration"), _JSON)
    ),
    _JSON,
)
def test_content_of_any_shape_is_read_or_told(kind: str, content: dict[str, Any], mentions: Any) -> None:
    for segment in content_of(kind, json.dumps(content), mentions, "om_1"):
        assert segment is not None


def test_a_reply_context_of_another_chat_is_refused() -> None:
    data = ReplyContext("oc_1", "om_1").to_bytes()
    assert ReplyContext.read(data, "oc_1").message == "om_1"
    with pytest.raises(InvalidArgument):
        ReplyContext.read(data, "oc_2")
    with pytest.raises(InvalidArgument):
        ReplyContext.read(b"[", "oc_1")
