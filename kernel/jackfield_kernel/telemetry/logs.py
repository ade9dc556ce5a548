"""The kernel's own log: short lines for people, JSON lines for programs; always on stderr."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Literal, TextIO

from .redaction import Redacting, Redactor
from .safe_text import one_line, safe_text

_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}
_COLOURS = {"DEBUG": "\x1b[2m", "WARNING": "\x1b[33m", "ERROR": "\x1b[31m", "CRITICAL": "\x1b[1;31m"}
_END = "\x1b[0m"
_OWN = "jackfield_kernel."


def configure(
    level: Literal["debug", "info", "warning", "error"] = "info",
    format: Literal["text", "json"] = "text",
    stream: TextIO | None = None,
    redactor: Redactor | None = None,
    also: Iterable[logging.Handler] = (),
) -> None:
    """Send every log record of the process to `stream` (stderr) and to the handlers `also`, and no record anywhere else.

    `text` is short and in local time, with colours on a terminal unless NO_COLOR is set; `json` is one object
    per line with UTC times. What `redactor` knows as a secret appears as `***`. May be called again: the last call
    counts.
    """
    out = stream or sys.stderr
    handler = logging.StreamHandler(out)
    colours = out.isatty() and "NO_COLOR" not in os.environ
    lines = JsonLines() if format == "json" else ShortLines(colours=colours)
    handler.setFormatter(Redacting(lines, redactor) if redactor is not None else lines)
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
    for one in (handler, *also):
        root.addHandler(one)
    root.setLevel(level.upper())
    # The loop's own debug records repeat each poll.
    logging.getLogger("asyncio").setLevel(max(logging.INFO, root.level))
    logging.captureWarnings(True)


class ShortLines(logging.Formatter):
    """`12:00:01 WARN  supervisor: message key=value`, then remedy and traceback on lines of their own."""

    def __init__(self, *, colours: bool) -> None:
        super().__init__()
        self._colours = colours

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as text that is safe on a terminal."""
        # Records carry UTC seconds; people read the clock on their wall.
        clock = datetime.fromtimestamp(record.created).strftime("%H:%M:%S")
        level = {"WARNING": "WARN", "CRITICAL": "FATAL"}.get(record.levelname, record.levelname)
        extras = _extras(record)
        remedy = extras.pop("remedy", "")
        # For programs: the event's id leads a person to both.
        for name in ("trace_id", "delivery_id"):
            extras.pop(name, None)
        if record.name == f"plugin.{extras.get('plugin')}":
            del extras["plugin"]
        shown = "".join(f" {key}={_shown(value)}" for key, value in extras.items())
        text = f"{clock} {level:<5} {_short(record.name)}: {one_line(record.getMessage())}{shown}"
        if self._colours and (colour := _COLOURS.get(record.levelname)):
            text = f"{colour}{text}{_END}"
        if remedy:
            text += f"\n               {one_line(str(remedy))}"
        for part in _traces(self, record):
            text += "\n" + "\n".join(f"    {line}" for line in safe_text(part).splitlines())
        return text


class JsonLines(logging.Formatter):
    """One JSON object per record: time (UTC), level, logger, message, then the record's extra fields."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line, ASCII only, so that nothing can act on a terminal."""
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        entry: dict[str, Any] = {
            "time": time.replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        for key, value in _extras(record).items():
            entry[f"{key}_" if key in entry else key] = value
        if trace := "\n".join(_traces(self, record)):
            entry["traceback"] = trace
        return json.dumps(entry, default=str)


def _extras(record: logging.LogRecord) -> dict[str, Any]:
    """The fields given as `extra`; a mapping named `fields` counts as its items."""
    extras = {key: value for key, value in record.__dict__.items() if key not in _STANDARD}
    fields = extras.pop("fields", None)
    if isinstance(fields, Mapping):
        for key, value in fields.items():
            extras.setdefault(str(key), value)
    elif fields is not None:
        extras["fields"] = fields
    return extras


def _traces(formatter: logging.Formatter, record: logging.LogRecord) -> list[str]:
    found = [formatter.formatException(record.exc_info)] if record.exc_info and record.exc_info[0] else []
    return found + ([formatter.formatStack(record.stack_info)] if record.stack_info else [])


def _short(name: str) -> str:
    """`jackfield_kernel.supervisor.run` is `supervisor` to people."""
    return name.removeprefix(_OWN).split(".")[0] if name.startswith(_OWN) else one_line(name, 60)


def _shown(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)
    text = one_line(text, 300)
    return json.dumps(text, ensure_ascii=False) if " " in text and isinstance(value, str) else text
