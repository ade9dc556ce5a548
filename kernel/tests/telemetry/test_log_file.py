"""The kernel's own log file, and how its lines are read."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from jackfield.v1 import admin_pb2
from jackfield_kernel.admin.logs import entry_of
from jackfield_kernel.supervisor.follower import parse_line
from jackfield_kernel.telemetry import log_file
from jackfield_kernel.telemetry.log_file import LogFile
from jackfield_kernel.telemetry.logs import configure
from jackfield_kernel.telemetry.plugin_logs import log_line
from jackfield_kernel.telemetry.redaction import Redactor


@pytest.fixture
def written(tmp_path: Path) -> Iterator[Path]:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    path = tmp_path / "kernel.log"
    redactor = Redactor()
    redactor.hold("p", ["hunter2-token"])
    handler = LogFile(path, redactor)
    configure(also=[handler])
    yield path
    handler.close()
    root.handlers[:] = before
    root.setLevel(level)
    logging.captureWarnings(False)


def test_lines_of_kernel_and_plugins_stand_in_a_private_file(written: Path) -> None:
    logging.getLogger("jackfield_kernel.bus").warning(
        "dead hunter2-token \x1b[31m", extra={"event_id": "e1", "reason": "POISON"}
    )
    raw = json.dumps(
        {
            "time": "2020-01-01T00:00:00Z",
            "level": "error",
            "logger": "jackfield.plugin.p",
            "message": "no \x9b2J",
            "trace_id": "ab",
            "fields": {"chat": 7, "message": "over"},
        }
    )
    log_line(parse_line("p", raw.encode()))
    assert written.stat().st_mode & 0o077 == 0
    own, theirs = (entry_of("", line) for line in written.read_bytes().splitlines())
    assert (own.event_id, own.fields["reason"], own.logger) == ("e1", "POISON", "jackfield_kernel.bus")
    assert "\x1b" not in own.message
    assert own.message.startswith("dead ***")
    assert own.level == admin_pb2.LOG_LEVEL_WARNING
    assert (theirs.plugin, theirs.trace_id, theirs.fields["chat"]) == ("p", "ab", 7)
    assert "\x9b" not in theirs.message
    assert theirs.time.ToDatetime().year > 2020


def test_the_file_is_rotated_once(written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    logging.getLogger("a").info("first")
    for handler in logging.getLogger().handlers:
        if isinstance(handler, LogFile):
            handler.maxBytes = 10
    logging.getLogger("a").info("second")
    logging.getLogger("a").info("third")
    assert b"third" in written.read_bytes()
    assert b"second" in written.with_name("kernel.log.1").read_bytes()
    assert sorted(path.name for path in written.parent.iterdir()) == ["kernel.log", "kernel.log.1"]


def test_a_disk_that_is_full_is_said_once_and_stops_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    handler = log_file.LogFile(tmp_path / "missing" / "kernel.log", Redactor())
    for _ in range(3):
        handler.handle(logging.LogRecord("a", logging.INFO, "", 0, "text", (), None))
    assert capsys.readouterr().err.count("cannot be written") == 1
    assert sys.exc_info() == (None, None, None)


@pytest.mark.parametrize(
    "raw",
    [
        b"plain \xff text",
        b'{"message": 5}',
        b'{"message": "x", "level": "loud", "time": "yesterday"}',
        b'{"message": "x", "time": 1e400, "trace_id": {"a": 1}}',
        b'{"message": "x", "n": 1e999}',
        b'{"message": "x", "deep": ' + b"[" * 50 + b"]" * 50 + b"}",
        b"[" * 100_000,
    ],
)
def test_any_line_becomes_an_entry(raw: bytes) -> None:
    entry = entry_of("p", raw)
    assert entry.plugin == "p"
    assert entry.SerializeToString()
