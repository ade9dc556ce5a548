"""Turning what plugins write into structured log records, without letting a flood through."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .logfiles import MAX_BYTES, rotate, safe_line

LEVELS = ("debug", "info", "warning", "error")
_ALIASES = {"warn": "warning", "critical": "error", "fatal": "error", "trace": "debug", "notice": "info"}
_STEP_BYTES = 256 << 10
_LONGEST_LINE = 64 << 10


@dataclass(frozen=True)
class LogLine:
    """One line of a plugin's output. `fields` holds what a JSON line said beside level and message."""

    plugin: str
    level: str
    text: str
    fields: Mapping[str, Any] = field(default_factory=dict)


class LogFollower:
    """Reads one plugin's log from where it stood, a bounded part at each `step`.

    `burst` is the number of lines returned per step; the rest is counted in one line, and stays in the file.
    """

    def __init__(
        self,
        plugin: str,
        path: Path,
        *,
        burst: int = 100,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        self._plugin = plugin
        self._path = path
        self._burst = burst
        self._max_bytes = max_bytes
        self._offset = self._size()

    def behind(self) -> bool:
        """Return True when a step has something to do; costs one stat."""
        return self._size() != self._offset

    def step(self) -> list[LogLine]:
        """Return new lines and rotate the file when it is too large.

        Blocks for a bounded read: call in a thread.
        """
        size = self._size()
        if size < self._offset:
            self._offset = 0
        skipped = max(0, size - self._offset - _STEP_BYTES)
        self._offset += skipped
        lines = self._read()
        if skipped and lines:
            lines = lines[1:]
        found = [parse_line(self._plugin, raw) for raw in lines[: self._burst] if raw.strip()]
        if len(lines) > self._burst:
            left_out = len(lines) - self._burst
            found.append(self._note(f"{left_out} more lines left out; see the plugin's log file"))
        if skipped:
            found.append(self._note(f"{skipped} bytes of output left out; it writes too fast"))
        if rotate(self._path, self._max_bytes):
            self._offset = 0
        return found

    def _note(self, text: str) -> LogLine:
        return LogLine(self._plugin, "warning", text)

    def _read(self) -> list[bytes]:
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                part = file.read(_STEP_BYTES)
        except FileNotFoundError:
            return []
        end = part.rfind(b"\n") + 1
        if not end and len(part) < _LONGEST_LINE:
            return []
        part = part[:end] if end else part
        self._offset += len(part)
        return part.splitlines()

    def _size(self) -> int:
        try:
            return os.stat(self._path).st_size
        except FileNotFoundError:
            return 0


def parse_line(plugin: str, raw: bytes) -> LogLine:
    """Read a line as JSON with `level` and `message` (or `msg`), else as plain text of level info."""
    if raw.startswith(b"{") and len(raw) <= _LONGEST_LINE:
        try:
            found = json.loads(raw)
        except (ValueError, RecursionError):
            found = None
        text = found.pop("message", found.pop("msg", None)) if isinstance(found, dict) else None
        if isinstance(text, str):
            level = str(found.pop("level", "info")).lower()
            level = _ALIASES.get(level, level)
            return LogLine(plugin, level if level in LEVELS else "info", safe_line(text.encode()), found)
    return LogLine(plugin, "info", safe_line(raw))
