"""The parts of a runner alone: pointers, templates, thoughts, streams cut into pieces, bounds."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import jackfield_runners
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jackfield_kernel.manifest import load_manifest
from jackfield_runners import lines, pointer, template, thinking
from jackfield_runners.answer import LARGEST_TEXT, Answer
from jackfield_runners.pieces import Delta, Link, Whole
from jackfield_runners.question import Question
from jackfield_runners.settings import Settings
from jackfield_sdk import Chat, ContentTooLarge, InvalidArgument, PlatformError
from jackfield_sdk.testing import message

# More than `make test-fast` has time for.
pytestmark = pytest.mark.slow

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


async def chunked(data: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


@given(VALUES, st.lists(st.text(), max_size=4))
def test_a_pointer_leads_somewhere_or_nowhere(value: Any, steps: list[str]) -> None:
    text = "".join("/" + step.replace("~", "~0").replace("/", "~1") for step in steps)
    assert pointer.parts_of(text) == tuple(steps)
    pointer.at(value, tuple(steps))


@pytest.mark.parametrize(
    ("text", "expected"),
    [("", {"a": [1, 2]}), ("/a/0", 1), ("/a/-1", 2), ("/a/2", pointer.ABSENT), ("/a/01x", pointer.ABSENT)],
)
def test_where_a_pointer_leads(text: str, expected: Any) -> None:
    found = pointer.at({"a": [1, 2]}, pointer.parts_of(text))
    assert found is expected or found == expected


def test_a_pointer_begins_with_a_slash() -> None:
    with pytest.raises(ValueError, match="begins with a slash"):
        pointer.parts_of("a/b")


@given(st.text())
def test_what_is_filled_in_is_never_a_template(text: str) -> None:
    assert template.fill({"a": ["<{text}>"], "b": 1}, {"text": text}) == {"a": [f"<{text}>"], "b": 1}


def test_braces_and_wrong_names() -> None:
    assert template.fill("{{{text}}}", {"text": "x"}) == "{x}"
    with pytest.raises(ValueError, match="oops"):
        template.check({"a": [{"b": "{oops}"}]})


@pytest.mark.parametrize(
    ("text", "shown", "whole"),
    [
        ("plain", "plain", "plain"),
        ("<think>a</think>\nb", "b", "b"),
        ("a <Thinking>b</thinking> c", "a c", "a c"),
        ("<think>still", "", ""),
        ("a <thi", "a ", "a <thi"),
        ("a < b", "a < b", "a < b"),
        ("1 <", "1 ", "1 <"),
    ],
)
def test_thoughts_are_left_out(text: str, shown: str, whole: str) -> None:
    assert thinking.without_thoughts(text) == shown
    assert thinking.settled(text) == whole


@given(st.text(alphabet="<>/think ab"), st.text(alphabet="<>/think ab"))
def test_no_thought_is_shown_while_a_text_grows(before: str, thought: str) -> None:
    thought = thought.replace("<", "").replace(">", "") + "SECRET"
    text = f"{before}<think>{thought}</think>after"
    for end in range(len(text) + 1):
        assert "SECRET" not in thinking.without_thoughts(text[:end])


@given(
    st.lists(st.dictionaries(st.text(), VALUES, max_size=3), max_size=5),
    st.integers(1, 7),
    st.sampled_from(["", "\n", " \r\n"]),
)
async def test_values_are_found_however_they_are_cut(values: list[Any], size: int, between: str) -> None:
    data = between.join(json.dumps(value, ensure_ascii=False) for value in values).encode(errors="replace")
    expected = [json.loads(json.dumps(value).encode().decode()) for value in values]
    found = [value async for value in lines.json_values(chunked(data, size))]
    if "\\ud" not in json.dumps(values):
        assert found == expected


@given(st.lists(st.text(alphabet="ab: 字"), min_size=1, max_size=4), st.integers(1, 5), st.sampled_from(["\n", "\r\n", "\r"]))  # fmt: skip
async def test_events_are_found_however_they_are_cut(texts: list[str], size: int, end: str) -> None:
    data = "".join(f"event: e{end}data: {text}{end}data: 2{end}{end}" for text in texts).encode()
    found = [event async for event in lines.server_events(chunked(data, size))]
    assert found == [lines.ServerEvent("e", f"{text}\n2") for text in texts]


async def test_a_line_without_an_end_is_refused() -> None:
    with pytest.raises(PlatformError, match="line above"):
        [line async for line in lines.lines(chunked(b"x" * 2_000_000, 65536))]


async def test_what_is_no_json_is_refused() -> None:
    with pytest.raises(PlatformError, match="no JSON"):
        [value async for value in lines.json_values(chunked(b"{]}", 1))]


def test_an_answer_is_bounded_and_keeps_its_beginning() -> None:
    answer = Answer()
    answer.add(Delta("字" * 300_000))
    with pytest.raises(ContentTooLarge):
        answer.add(Delta("字" * 100_000))
    assert LARGEST_TEXT - 3 < len(answer.text().encode()) <= LARGEST_TEXT
    for number in range(20):
        answer.add(Link("image", f"u{number}"))
    assert len(answer.links) == 8
    answer.add(Whole("anew"))
    assert answer.text() == "anew"


def test_a_lone_half_of_a_character_breaks_nothing() -> None:
    answer = Answer()
    answer.add(Delta("a\ud800b"))
    assert answer.text() == "a?b"


def test_who_asks() -> None:
    settings = Settings(kind="n8n", url="http://x")
    group = message("hi", chat=Chat.group("5"))
    assert Question(settings, group, "hi").user == "bot_group_5"
    each = Settings(kind="n8n", url="http://x", per_user=True)
    assert Question(each, group, "hi").user == "bot_person_7"


def test_a_key_is_shown_to_no_other_host() -> None:
    named = {"name": "a", "kind": "dify", "url": "https://one/v1", "key": "k"}
    config = {"keys": "k=secret", "runners": [named]}
    assert Settings.of(config, "a", {"app": "agent"}).key == "secret"
    with pytest.raises(InvalidArgument, match="key"):
        Settings.of(config, "a", {"url": "https://two/v1"})


def test_every_setting_stands_in_the_manifest_twice() -> None:
    manifest = load_manifest(Path(jackfield_runners.__file__).with_name("jackfield-plugin.yaml"))
    known = {field.name for field in fields(Settings)}
    inner = manifest.config["properties"]["runners"]["items"]["properties"]
    assert set(inner) == known
    assert set(manifest.rule_config["properties"]) - {"runner"} == known - {"name"}
