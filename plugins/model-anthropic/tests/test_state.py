"""Signed blocks return to their places, or not at all."""

from __future__ import annotations

import json
from typing import Any

import pytest
from jackfield_model_anthropic.state import packed, restored

FIRST = {"type": "thinking", "thinking": "hm", "signature": "s1"}
SECOND = {"type": "thinking", "thinking": "", "signature": "s2"}
CALL = {"type": "tool_use", "id": "a", "name": "look", "input": {}}


def text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words}


STATE = packed([FIRST, text("one "), SECOND, text("two"), CALL], "m")


def test_a_turn_without_signatures_has_no_state() -> None:
    assert packed([text("hi"), CALL], "m") == b""
    assert restored(b"", [text("hi"), CALL], "m") == [text("hi"), CALL]


def test_signed_blocks_stand_where_they_stood() -> None:
    turn = [text("one two"), CALL]
    assert restored(STATE, turn, "m") == [FIRST, text("one "), SECOND, text("two"), CALL]
    assert restored(STATE, turn, "other") == turn


@pytest.mark.parametrize(
    "turn",
    [
        [text("one two, stopped"), CALL],
        [text("one"), CALL],
        [text("one two")],
        [text("one two"), CALL, CALL],
        [],
    ],
)
def test_a_turn_that_was_changed_keeps_its_first_thinking_and_all_of_itself(
    turn: list[dict[str, Any]],
) -> None:
    assert restored(STATE, turn, "m") == [FIRST, *turn]


@pytest.mark.parametrize(
    "state",
    [
        b"\xff\x00",
        b"{",
        b"[" * 100_000,
        b"null",
        b'{"form": "anthropic-1", "model": "m"}',
        STATE[:-9],
        *(
            json.dumps({"form": "anthropic-1", "model": "m", "blocks": [block]}).encode()
            for block in (7, {"type": "thinking"}, {"type": "text", "length": -1}, {"type": "image"})
        ),
    ],
)
def test_foreign_bytes_change_nothing(state: bytes) -> None:
    assert restored(state, [text("hi")], "m") == [text("hi")]
