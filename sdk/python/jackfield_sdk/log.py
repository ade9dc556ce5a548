"""Logs as JSON lines on stderr, which the kernel tails into its structured log."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import TextIO

from jackfield_sdk.tracing import current

LONGEST_LINE = 16_384
# What every record has; everything else on it came from the author's `extra`.
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class JsonFormatter(logging.Formatter):
    """One object per record: time, level, logger, message, what it is about, and the fields of `extra`.

    Inside a handler, an observer or a served call a line states `trace_id`, `event_id` and `delivery_id`.
    """

    def format(self, record: logging.LogRecord) -> str:
        """The line, at most 16 KiB; a longer message is cut."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="microseconds"),
            "level": record.levelname.lower().replace("critical", "error"),
            "logger": record.name,
            "message": record.getMessage(),
        }
        work = current()
        if work is not None:
            about = (
                ("trace_id", work.trace_id),
                ("event_id", work.event_id),
                ("delivery_id", work.delivery_id),
            )
            line.update((name, value) for name, value in about if value)
        fields = {key: value for key, value in vars(record).items() if key not in _STANDARD}
        if fields:
            line["fields"] = fields
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        text = json.dumps(line, ensure_ascii=False, default=str)
        if len(text) > LONGEST_LINE:
            line = {**line, "message": record.getMessage()[:4096], "cut": True}
            line.pop("fields", None)
            if "traceback" in line:
                line["traceback"] = str(line["traceback"])[-8192:]
            text = json.dumps(line, ensure_ascii=False, default=str)
        return text


def log_to_stderr(level: int = logging.INFO, stream: TextIO | None = None) -> logging.Handler:
    """Sends all logging of this process to stderr as JSON lines."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    return handler
