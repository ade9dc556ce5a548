"""Lines of IRC, also those that nobody should send."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jackfield_irc.line import LONGEST, Line, NotALine, encoded, folded, parse


def test_a_line_with_everything() -> None:
    line = parse(
        b"@time=2026-01-02T03:04:05.678Z;account=ann;+x=a\\sb\\:c :Ann!a@home PRIVMSG #room :hello  world :)"
    )
    assert (line.command, line.params) == ("PRIVMSG", ("#room", "hello  world :)"))
    assert (line.nick, line.user, line.host) == ("Ann", "a", "home")
    assert line.tags == {"time": "2026-01-02T03:04:05.678Z", "account": "ann", "+x": "a b;c"}


@pytest.mark.parametrize("data", [b"", b":", b":only", b"@a=b", b" ", b"??? x", b":x \0A"])
def test_what_is_no_line(data: bytes) -> None:
    with pytest.raises(NotALine):
        parse(data)


def test_old_clients_write_latin_1() -> None:
    assert parse(b"PRIVMSG #a :caf\xe9").param(1) == "café"


@given(st.binary(max_size=80))
def test_any_bytes_are_a_line_or_not(data: bytes) -> None:
    try:
        assert parse(data).command
    except NotALine:
        pass


@pytest.mark.parametrize(
    "params",
    [
        ("#a", "x\r\nQUIT"),
        ("#a", "x\nQUIT"),
        ("#a b", "x"),
        (":a", "x"),
        ("", "x"),
        ("#a", "x" * LONGEST),
        ("#a", "\0"),
    ],
)
def test_nobody_smuggles_a_second_line_in(params: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match=r".+"):
        encoded("PRIVMSG", *params)


def test_what_is_encoded_reads_back() -> None:
    assert parse(encoded("PRIVMSG", "#a", "b :c")[:-2]) == Line("PRIVMSG", ("#a", "b :c"))


def test_names_are_compared_as_irc_does() -> None:
    assert folded("Nick[A]\\^") == folded("nICK{a}|~")
