"""Each stage alone."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import jackfield_pipeline
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from jackfield_pipeline import settings as sections
from jackfield_pipeline.access import admitted
from jackfield_pipeline.failing import told
from jackfield_pipeline.length import shaped
from jackfield_pipeline.quoting import combined, whole
from jackfield_pipeline.sending import streams
from jackfield_pipeline.settings import Access, Errors, Long, Rate, Settings
from jackfield_pipeline.texts import Texts
from jackfield_pipeline.trigger import meant
from jackfield_pipeline.window import take
from jackfield_pipeline.words import filtered, growing, ignored, may_grow
from jackfield_sdk import (
    Chat,
    File,
    Forward,
    Image,
    InvalidArgument,
    Media,
    Mention,
    Message,
    NotFound,
    PlatformError,
    Quote,
    Text,
    User,
)
from jackfield_sdk.testing import message

GROUP = Chat.group("5")


def section(name: str, **values: Any) -> Any:
    """A section as it is read from a rule."""
    return getattr(Settings.of({}, {name: values}), name)


def in_group(content: str | Message, **fields: Any) -> Any:
    return message(content, chat=GROUP, **fields)


@pytest.mark.parametrize(
    ("content", "mentions", "trigger", "expected"),
    [
        ("hi", False, {}, None),
        ("hi", True, {}, "hi"),
        ("hi", True, {"mention": False}, None),
        ("ai tell me", False, {"prefixes": ["a", "ai"]}, "tell me"),
        ("  ai  tell me", False, {"prefixes": ["ai"]}, "tell me"),
        ("say ai", False, {"prefixes": ["ai"]}, None),
        ("ai", False, {"prefixes": ["ai"]}, ""),
        ("order 12", False, {"regex": [r"order \d+"]}, "order 12"),
        (Message(Mention("1", "bot"), " ai tell"), True, {"prefixes": ["ai"]}, "tell"),
        (Message("  ", Mention("1", "bot"), "  tell"), True, {}, "tell"),
        (Message(Mention("1", "bot")), True, {}, ""),
    ],
)
def test_when_a_group_is_answered(content: Any, mentions: bool, trigger: Any, expected: str | None) -> None:
    event = in_group(content, mentions_bot=mentions)
    found = meant(event.message, event, section("trigger", **trigger), Random(1))
    assert (found.plain() if found is not None else None) == expected


def test_private_chats_and_pipelines_without_a_trigger_are_answered_always() -> None:
    event = message("hi")
    assert meant(event.message, event, section("trigger", mention=False), Random(1)) == event.message
    event = in_group("hi")
    assert meant(event.message, event, None, Random(1)) == event.message


def test_chance_is_the_same_at_every_attempt() -> None:
    event = in_group("hi")
    trigger = section("trigger", mention=False, random=0.5)
    outcomes = [meant(event.message, event, trigger, Random(seed)) is not None for seed in range(200)]
    assert outcomes == [meant(event.message, event, trigger, Random(seed)) is not None for seed in range(200)]
    assert 60 < sum(outcomes) < 140


@pytest.mark.parametrize(
    ("entry", "private", "group"),
    [
        ("person_7", True, False), ("person_*", True, False), ("group_5", False, True), ("group_*", False, True),
        ("*_7", True, True), ("*_5", False, True), ("*_*", True, True), ("person_5", False, False), ("group_7", False, False),
    ],
)  # fmt: skip
def test_who_is_on_a_list(entry: str, private: bool, group: bool) -> None:
    for event, expected in ((message("hi"), private), (in_group("hi"), group)):
        assert admitted(event, Access("whitelist", (entry,))) is expected
        assert admitted(event, Access("blacklist", (entry,))) is not expected


def test_empty_lists() -> None:
    assert admitted(message("hi"), Access())
    assert not admitted(message("hi"), Access("whitelist"))


def test_what_is_ignored() -> None:
    ignore = section("ignore", prefixes=["#", "//"], regex=["^ping$"])
    assert [ignored(Message(text), ignore) for text in (" #a", "//", "ping", "pings", "a#")] == [
        True, True, True, False, False,
    ]  # fmt: skip
    assert not ignored(Message("a"), section("ignore"))


def test_words_are_masked_in_any_case_and_media_stays() -> None:
    rules = section("filter", words=["bad", "坏"], regex=[r"\d{4}"], mask=r"\1*")
    image = Image(Media(url="http://x"))
    found = filtered(Message("BaDly 坏 12345", image), rules, "incoming")
    assert found == Message(r"\1*ly \1* \1*5", image)


@pytest.mark.parametrize(
    ("scope", "incoming", "outgoing"),
    [("both", "*", "*"), ("incoming", "*", "bad"), ("outgoing", "bad", "*")],
)
def test_the_scope_of_a_filter(scope: str, incoming: str, outgoing: str) -> None:
    rules = section("filter", words=["bad"], scope=scope, mask="*")
    assert filtered(Message("bad"), rules, "incoming") == Message(incoming)
    assert filtered(Message("bad"), rules, "outgoing") == Message(outgoing)


def test_what_is_blocked() -> None:
    rules = section("filter", words=["bad"], action="block")
    assert filtered(Message("so bad"), rules, "incoming") is None
    assert filtered(Message(File(Media(blob_id="b", name="bad.txt"))), rules, "incoming") is None
    assert filtered(Message(Quote("1", origin=Message("bad")), "?"), rules, "incoming") is None
    assert filtered(Message("good"), rules, "incoming") == Message("good")


@given(st.text(alphabet="abd "), st.text(alphabet="abd "))
def test_no_word_is_shown_while_a_text_grows(before: str, after: str) -> None:
    rules = section("filter", words=["bad", "abba"], mask="*")
    text = f"{before}bad{after}"
    for end in range(len(text) + 1):
        shown = growing(text[:end], rules)
        assert "bad" not in shown
        assert "abba" not in shown


def test_what_cannot_be_judged_in_parts_does_not_grow() -> None:
    assert may_grow(section("filter", words=["bad"]))
    assert not may_grow(section("filter", words=["bad"], action="block"))
    assert not may_grow(section("filter", regex=["bad"]))
    assert may_grow(section("filter", regex=["bad"], scope="incoming"))
    assert growing("bad", section("filter", words=["bad"], scope="incoming")) == "bad"


def test_a_filter_that_finds_everything_and_what_is_no_expression_are_refused() -> None:
    for values in ({"regex": ["a*"]}, {"regex": ["("]}, {"regex": [r"(?=a)"]}):
        with pytest.raises(InvalidArgument, match="filter"):
            section("filter", **values)
    with pytest.raises(InvalidArgument, match=r"trigger.regex\[1\]"):
        section("trigger", regex=["a", "["])


def test_a_window_drops_what_is_too_much() -> None:
    rate, windows = Rate(60, 2), {}
    waits = []
    for event in "aabc":
        windows, wait = take(windows, event, 30.0, rate)
        waits.append(wait)
    assert waits == [0.0, 0.0, 0.0, None]
    windows, wait = take(windows, "d", 61.0, rate)
    assert wait == 0.0


def test_who_waits_keeps_a_place() -> None:
    rate, windows = Rate(60, 1, "wait"), {}
    waits = []
    for event in "abc":
        windows, wait = take(windows, event, 30.0, rate)
        waits.append(wait)
    assert waits == [0.0, 30.0, 90.0]
    windows, wait = take(windows, "b", 60.0, rate)
    assert wait == 0.0
    _, wait = take(windows, "d", 60.0, rate)
    assert wait == 120.0
    for event in "efghi":
        windows, wait = take(windows, event, 60.0, rate)
    assert wait is None


@given(
    st.lists(st.tuples(st.integers(0, 9), st.floats(0, 500)), max_size=40),
    st.integers(1, 3),
    st.sampled_from(["drop", "wait"]),
)
def test_no_window_holds_more_than_its_limit(
    plays: list[tuple[int, float]], limit: int, strategy: str
) -> None:
    rate: Rate = Rate(10, limit, strategy)
    windows: dict[str, list[str]] = {}
    for event, now in sorted(plays, key=lambda play: play[1]):
        windows, wait = take(windows, str(event), now, rate)
        assert wait is None or wait >= 0
        assert all(len(events) <= limit for events in windows.values())
        assert len(windows) <= 8


def test_quotes_become_part_of_the_question() -> None:
    image = Image(Media(url="http://x"))
    asked = Message(Quote("1", origin=Message("see", image)), "what?")
    assert combined(asked, True) == Message(image, Text("(about: see[Image])\n"), "what?")
    assert combined(asked, False) == Message("what?")
    assert combined(Message(Quote("1"), "what?"), True) == Message("what?")
    assert whole(message("a"), [message("b"), message("c")]).text == "a\nb\nc"


LONG = "word " * 100


@pytest.mark.parametrize("strategy", ["none", "split", "file", "forward"])
def test_what_becomes_of_a_long_text(strategy: str) -> None:
    shape = shaped(Message(LONG), Long(200, strategy), "bot")
    match strategy:
        case "none":
            assert shape.messages == (Message(LONG),)
        case "split":
            assert "".join(one.text for one in shape.messages) == LONG
            assert len(shape.messages) == 3
        case "file":
            assert shape.file == LONG
            assert shape.messages[0].text.endswith("word…")
        case "forward":
            bundle = shape.messages[0].first(Forward)
            assert bundle is not None
            assert "".join(node.message.text for node in bundle.nodes if node.message) == LONG
    short = shaped(Message("short"), Long(200, strategy), "bot")
    mixed = Message(LONG, Image(Media(url="http://x")))
    assert short.messages == (Message("short"),)
    assert shaped(mixed, Long(200, strategy), "bot").messages == (mixed,)


@pytest.mark.parametrize(
    ("errors", "expected"),
    [
        (Errors(), "I could not get an answer (PLATFORM_ERROR). Please try again later."),
        (Errors("hint", "Sorry."), "Sorry."),
        (Errors("error"), "PLATFORM_ERROR: quota"),
        (Errors("hide", "Sorry."), ""),
    ],
)
def test_what_is_told_of_a_failure(errors: Errors, expected: str) -> None:
    assert told(PlatformError("quota"), errors, Texts("en-GB")) == expected


@pytest.mark.parametrize(
    ("rule", "private", "expected"),
    [
        ({}, False, True), ({"send": {"stream": False}}, False, False), ({"send": {"delay_max": 1}}, False, False),
        ({"send": {"mention_sender": True}}, False, False), ({"send": {"mention_sender": True}}, True, True),
        ({"filter": {"words": ["x"], "action": "block"}}, False, False), ({"filter": {"words": ["x"]}}, False, True),
    ],
)  # fmt: skip
def test_what_grows(rule: Any, private: bool, expected: bool) -> None:
    assert streams(Settings.of({}, rule), private=private) is expected


def test_a_rule_goes_before_the_named_pipeline() -> None:
    config = {"pipelines": [{"name": "a", "long": {"above": 50}, "rate": {"limit": 3}}]}
    found = Settings.of(config, {"pipeline": "a", "rate": {"seconds": 5}})
    assert (found.long.above, found.rate.limit, found.rate.seconds) == (50, 0, 5)
    with pytest.raises(NotFound, match="'b'"):
        Settings.of(config, {"pipeline": "b"})
    with pytest.raises(InvalidArgument, match="delay_max"):
        Settings.of(config, {"send": {"delay_min": 2}})


def test_every_setting_stands_in_the_manifest_twice() -> None:
    from_file = yaml.safe_load(
        Path(jackfield_pipeline.__file__).with_name("jackfield-plugin.yaml").read_text()
    )
    named = from_file["config"]["properties"]["pipelines"]["items"]["properties"]
    for table in (named, from_file["rule_config"]["properties"]):
        for name in sections.SECTIONS:
            kind = sections._CLASSES[name]
            known = {one for one in kind.__dataclass_fields__ if one != "pattern"}
            assert set(table[name]["properties"]) == known


def test_a_sender_may_have_no_name() -> None:
    assert admitted(message("hi", sender=User(id="")), Access("blacklist", ("person_7",)))
