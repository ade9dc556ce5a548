"""The kernel's log: readable for people, parseable for programs, harmless for terminals."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest
from jackfield_kernel.supervisor import LogLine
from jackfield_kernel.telemetry import configure, log_line, one_line, safe_text


@pytest.fixture(autouse=True)
def restored_root() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(False)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def written(format: str, level: str = "info", stream: io.StringIO | None = None) -> io.StringIO:
    out = stream or io.StringIO()
    configure(level, format, out)  # type: ignore[arg-type]
    return out


def test_a_line_for_people_names_the_room_and_puts_the_remedy_below() -> None:
    out = written("text")
    log = logging.getLogger("jackfield_kernel.supervisor.run")
    log.warning("echo does not start", extra={"plugin": "echo", "reason": "EXIT", "remedy": "Read its log."})
    first, second = out.getvalue().splitlines()
    assert first[8:] == " WARN  supervisor: echo does not start plugin=echo reason=EXIT"
    assert second.strip() == "Read its log."


def test_an_error_brings_its_traceback_indented() -> None:
    out = written("text")
    try:
        raise ValueError("x\x1b[2Jy")
    except ValueError:
        logging.getLogger("jackfield_kernel.bus").exception("failed")
    assert "    ValueError: xy" in out.getvalue()


@pytest.mark.parametrize("format", ["text", "json"])
def test_control_characters_of_strangers_never_reach_the_terminal(format: str) -> None:
    out = written(format)
    evil = "a\x1b[31mb\r\nc\x07\u202ed\x9b"
    logging.getLogger("x\x1b[0m").info("%s", evil, extra={"fields": {"k": evil}})
    assert not set("\x1b\r\x07\u202e\x9b") & set(out.getvalue())
    assert out.getvalue().count("\n") == 1


def test_a_json_line_has_time_in_utc_and_every_extra_field() -> None:
    out = written("json")
    logging.getLogger("k").info("hi", extra={"reason": "R", "fields": {"n": 1, "level": "z"}})
    entry = json.loads(out.getvalue())
    assert entry.pop("time").endswith("Z")
    assert entry == {"level": "info", "logger": "k", "message": "hi", "reason": "R", "n": 1, "level_": "z"}


def test_colours_only_on_a_terminal_that_wants_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    terminal = written("text", stream=Terminal())
    logging.getLogger("k").error("red")
    assert "\x1b[31m" in terminal.getvalue()
    monkeypatch.setenv("NO_COLOR", "1")
    plain = written("text", stream=Terminal())
    logging.getLogger("k").error("plain")
    assert "\x1b" not in plain.getvalue()


def test_a_plugin_line_keeps_its_level_and_fields() -> None:
    out = written("text")
    log_line(LogLine("echo", "warning", "low on tea", {"cups": 2}))
    log_line(LogLine("echo", "debug", "not shown"))
    assert out.getvalue()[8:] == " WARN  plugin.echo: low on tea cups=2\n"


def test_safe_text_keeps_lines_and_one_line_does_not() -> None:
    assert safe_text("a\tb\nc\x00") == "a\tb\nc\\x00"
    assert one_line("a\nb") == "a\\nb"
    assert one_line("abcdef", 4) == "abc…"
    assert safe_text("\ud800") == "\\ud800"
