"""The append-only file a plugin's stdout and stderr go to: bounded, safe to print, readable from its end."""

from __future__ import annotations

import os
import re
from pathlib import Path

MAX_BYTES = 8 << 20
"""Size at which the file is rotated; one older file is kept."""

LINE_BYTES = 2000
"""Longer lines are cut when shown."""

_TAIL_BYTES = 256 << 10
_ESCAPE_SEQUENCE = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)|[@-Z\\-_])")
# C0 without tab, C1, and the bidirectional controls that reorder what a reader sees.
_UNSAFE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def open_for_append(path: Path) -> int:
    """Open the log for a plugin to write to, creating it 0600, and return the file descriptor.

    Appending is what makes rotation work: after a truncation the writer goes on at the start, leaving no
    hole.
    """
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)


def safe_line(raw: bytes) -> str:
    """Return a line as text that cannot move a terminal's cursor, change colours or reorder other text."""
    text = raw[:LINE_BYTES].decode("utf-8", "replace").rstrip("\r\n")
    text = _UNSAFE.sub(_escaped, _ESCAPE_SEQUENCE.sub("", text))
    return f"{text} [cut]" if len(raw) > LINE_BYTES else text


def tail(path: Path, lines: int) -> list[str]:
    """Return the last `lines` lines, oldest first, reading a bounded part of the file and of the one before
    it.
    """
    found = _last_lines(path, lines)
    if len(found) < lines:
        found = _last_lines(previous(path), lines - len(found)) + found
    return found


def previous(path: Path) -> Path:
    """Return where the rotated log stands."""
    return path.with_name(f"{path.name}.1")


def rotate(path: Path, max_bytes: int = MAX_BYTES) -> bool:
    """Keep the last `max_bytes` as the previous log and empty this one, when it is larger; return whether it
    was.

    The writer keeps its open file, so the content is copied. What is written between copy and truncation is
    lost; a plugin that writes this much loses little by it.
    """
    try:
        with path.open("r+b") as file:
            size = file.seek(0, os.SEEK_END)
            if size <= max_bytes:
                return False
            file.seek(size - max_bytes)
            old = previous(path)
            old.unlink(missing_ok=True)
            target = open_for_append(old)
            with os.fdopen(target, "wb") as copy:
                copy.write(file.read(max_bytes))
            file.truncate(0)
    except FileNotFoundError:
        return False
    return True


def _last_lines(path: Path, lines: int) -> list[str]:
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            start = file.seek(max(0, size - _TAIL_BYTES))
            raw = file.read(_TAIL_BYTES).splitlines()
    except FileNotFoundError:
        return []
    # The first line of a part is half a line.
    return [safe_line(line) for line in (raw[1:] if start and len(raw) > 1 else raw)[-lines:]]


def _escaped(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"
