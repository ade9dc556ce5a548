"""Every condition of a rule, one story each."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from jackfield.v1 import event_pb2, message_pb2

from .conftest import condition, happened, mention, picture, wrote

Matches = Callable[..., bool]


def test_chat_types_name_kinds_of_chats(matches: Matches) -> None:
    assert matches(wrote("hi", chat="group"), chat_types=["private", "group"])
    assert not matches(wrote("hi", chat="channel"), chat_types=["private", "group"])
    assert not matches(happened("friend.added"), chat_types=["private"])


def test_chats_and_senders_name_ids(matches: Matches) -> None:
    assert matches(wrote("hi", chat_id="c2"), chats=["c1", "c2"])
    assert not matches(wrote("hi", chat_id="c3"), chats=["c1", "c2"])
    assert matches(wrote("hi", sender="u2"), senders=["u2"])
    assert not matches(wrote("hi", sender=""), senders=["u2"])


def test_all_conditions_must_hold(matches: Matches) -> None:
    assert matches(wrote("hi", chat="group", sender="u2"), chat_types=["group"], senders=["u2"])
    assert not matches(wrote("hi", chat="group", sender="u1"), chat_types=["group"], senders=["u2"])


def test_mention_holds_for_an_addressed_bot_and_in_private_chats(matches: Matches) -> None:
    assert matches(wrote("hi", mentions_bot=True), mention=True)
    assert matches(wrote("hi", chat="private"), mention=True)
    assert not matches(wrote("hi"), mention=True)
    assert not matches(wrote(mention("someone else"), "hi"), mention=True)


@pytest.mark.parametrize(
    "parts",
    [
        ("/help",),
        ("  \n/help",),
        (mention("bot"), " /help"),
        (" ", mention("bot"), "/help"),
        (message_pb2.Segment(quote=message_pb2.Quote(message_id="1")), mention("bot"), " ", "/help"),
        ("/", "help"),
    ],
)
def test_a_prefix_stands_behind_blanks_and_a_leading_mention(
    matches: Matches, parts: tuple[str | message_pb2.Segment, ...]
) -> None:
    assert matches(wrote(*parts), prefixes=["!", "/"])


def test_a_prefix_inside_the_text_does_not_count(matches: Matches) -> None:
    assert not matches(wrote("see /help"), prefixes=["/"])
    assert not matches(wrote("see ", mention("bot"), "/help"), prefixes=["/"])
    assert not matches(happened("friend.added"), prefixes=["/"])


def test_an_expression_is_searched_in_text_and_mentions(matches: Matches) -> None:
    assert matches(wrote("well, ", mention("Ann"), " is here"), regex=r"@Ann\b.*here$")
    assert matches(wrote("price 12", edited=True), regex=r"\d+")
    assert matches(wrote("你好，世界"), regex="世界")
    assert not matches(wrote("nothing", picture()), regex="Image")


def test_segments_name_kinds_of_content(matches: Matches) -> None:
    assert matches(wrote("look", picture()), segments=["video", "image"])
    assert not matches(wrote("look"), segments=["video", "image"])
    assert matches(wrote(message_pb2.Segment()), segments=["unknown"])
    assert not matches(happened("friend.added"), segments=["text"])


def test_messages_of_bots_match_only_rules_that_ask_for_them(matches: Matches) -> None:
    assert not matches(wrote("hi", from_bot=True))
    assert not matches(wrote("hi", from_bot=True, edited=True))
    assert matches(wrote("hi", from_bot=True), from_bots=True)
    assert matches(wrote("hi"), from_bots=True)


def test_other_events_of_bots_match_any_rule(matches: Matches) -> None:
    reaction = wrote("hi", from_bot=True)
    reaction.type = "message.reaction"
    reaction.message_reaction.reaction = "+1"
    assert matches(reaction)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("chat_type", "group"),
        ("chat_id", "c1"),
        ("thread_id", "t1"),
        ("sender_id", "u1"),
        ("text", "hello world"),
        ("platform", "web"),
        ("event", "message.received"),
    ],
)
def test_every_field_compares_with_every_operator(matches: Matches, field: str, value: str) -> None:
    event = wrote("hello world", thread="t1")
    other = "private" if field == "chat_type" else "zzz"
    assert matches(event, **condition(field, "EQUAL", value))
    assert not matches(event, **condition(field, "EQUAL", other))
    assert not matches(event, **condition(field, "NOT_EQUAL", value))
    assert matches(event, **condition(field, "NOT_EQUAL", other))
    assert matches(event, **condition(field, "CONTAINS", value[1:]))
    assert not matches(event, **condition(field, "CONTAINS", "zzz"))
    assert matches(event, **condition(field, "NOT_CONTAINS", "zzz"))
    assert not matches(event, **condition(field, "NOT_CONTAINS", value[1:]))
    assert matches(event, **condition(field, "STARTS_WITH", value[:2]))
    assert not matches(event, **condition(field, "STARTS_WITH", value[1:]))
    assert matches(event, **condition(field, "REGEX", "^" + value[:1]))
    assert not matches(event, **condition(field, "REGEX", "^zz+$"))


def test_a_segment_is_there_or_not(matches: Matches) -> None:
    assert matches(wrote(picture()), **condition("segment", "EQUAL", "image"))
    assert not matches(wrote("x"), **condition("segment", "EQUAL", "image"))
    assert matches(wrote("x"), **condition("segment", "NOT_EQUAL", "image"))
    assert not matches(wrote(picture()), **condition("segment", "NOT_EQUAL", "image"))


@pytest.mark.parametrize("event_type", ["jackfield.dead_letter", "scheduler.fired", "platform.blue.poked"])
def test_events_of_plugins_and_kernel_route_like_any_other(matches: Matches, event_type: str) -> None:
    event: event_pb2.Event = happened(event_type)
    assert matches(event, event_pattern=event_type)
    assert matches(event, event_pattern=event_type.split(".")[0] + ".*")
    assert not matches(event, event_pattern="message.*")


def test_a_hostile_expression_costs_linear_time(matches: Matches) -> None:
    assert not matches(wrote("a" * 50_000), regex=r"(a+)+$b")
