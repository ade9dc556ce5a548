"""A plugin's output is bounded, safe to print, and becomes structured records."""

from __future__ import annotations

import os
from pathlib import Path

from jackfield_kernel.supervisor.follower import LogFollower, LogLine, parse_line
from jackfield_kernel.supervisor.logfiles import open_for_append, previous, rotate, safe_line, tail


def test_the_tail_reads_the_last_lines_and_makes_them_safe(tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    path.write_bytes(
        b"first\n\x1b[31mred\x1b[0m\x07\n" + b"y" * 3000 + "\u202eevil\n".encode() + b"\xff last"
    )
    lines = tail(path, 3)
    assert lines[0] == "red\\x07"
    assert lines[1].endswith("y [cut]")
    assert lines[2] == "\ufffd last"
    assert safe_line("\u202eabc".encode()) == "\\u202eabc"
    assert tail(tmp_path / "none.log", 5) == []


def test_the_writer_goes_on_after_a_rotation_without_a_hole(tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    file = open_for_append(path)
    try:
        os.write(file, b"old line\n" * 200)
        assert rotate(path, 900)
        os.write(file, b"new line\n")
    finally:
        os.close(file)
    assert path.read_bytes() == b"new line\n"
    assert previous(path).stat().st_size == 900
    assert path.stat().st_mode & 0o777 == 0o600
    assert tail(path, 3) == ["old line", "old line", "new line"]
    assert not rotate(path, 900)


def test_json_lines_become_records_and_other_lines_plain_ones() -> None:
    found = parse_line("echo", b'{"level": "WARN", "message": "slow", "ms": 7}')
    assert found == LogLine("echo", "warning", "slow", {"ms": 7})
    assert parse_line("echo", b"{not json") == LogLine("echo", "info", "{not json")
    assert parse_line("echo", b'{"level": 5, "msg": "x"}').level == "info"


def test_the_follower_passes_new_lines_only_and_waits_for_their_end(tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    path.write_text("before\n")
    follower = LogFollower("echo", path)
    assert not follower.behind()
    with path.open("a") as file:
        file.write("one\ntw")
        file.flush()
        lines = follower.step()
        file.write("o\n")
        file.flush()
        assert follower.behind()
        lines += follower.step()
    assert [line.text for line in lines] == ["one", "two"]


def test_a_flood_is_counted_and_its_file_stays_bounded(tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    follower = LogFollower("echo", path, burst=10, max_bytes=1 << 20)
    path.write_bytes(b"noise\n" * 1_000_000)
    lines = follower.step()
    assert len(lines) == 12
    assert [line.level for line in lines[-2:]] == ["warning", "warning"]
    assert path.stat().st_size == 0
    assert previous(path).stat().st_size == 1 << 20
