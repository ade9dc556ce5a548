"""What is written, and in how many lines."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jackfield_irc.outgoing import lines_of, room, text_of
from jackfield_sdk import ContentTooLarge, Image, InvalidArgument, Media, Mention, Message, Text


def test_control_characters_of_a_user_are_no_commands() -> None:
    assert lines_of("\x01ACTION hits\x01 \x02bold\x02 \x0304red\x03", 400, 5) == ["ACTION hits bold 04red"]


def test_lines_stay_lines_and_empty_ones_a_blank() -> None:
    assert lines_of("a\r\n\r\nb\n", 400, 5) == ["a", " ", "b"]


@given(st.text(min_size=1, max_size=600))
def test_no_line_is_longer_than_it_may_be_and_nothing_is_lost(text: str) -> None:
    try:
        lines = lines_of(text, 100, 1_000)
    except InvalidArgument:
        return
    assert all(len(line.encode()) <= 100 and "\n" not in line for line in lines)
    assert seen("".join(lines)) == seen(text)


def seen(text: str) -> str:
    """What a reader sees of it, blanks aside."""
    return "".join(one for one in text if unicodedata.category(one) not in ("Cc", "Cs") and not one.isspace())


def test_too_much_is_refused_with_its_limit() -> None:
    with pytest.raises(ContentTooLarge, match="at most 3"):
        lines_of("a\nb\nc\nd", 400, 3)


def test_names_at_the_beginning_address_somebody() -> None:
    message = Message(Mention("account/ann", "ann"), Text("look"), Image(Media(url="https://h/a.png")))
    text, degraded = text_of(message)
    assert text.startswith("ann: look")
    assert degraded == ("image",)


def test_a_line_leaves_room_for_the_names_that_the_server_puts_before_it() -> None:
    assert room("jack", "#room") == 400
    assert room("j" * 30, "#" + "r" * 60) < 400
