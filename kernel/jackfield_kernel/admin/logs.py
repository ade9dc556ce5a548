"""Admin: the kernel's log and those of plugins, line by line."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Iterator
from datetime import datetime
from pathlib import Path

from google.protobuf.json_format import ParseError
from jackfield.v1 import admin_pb2

from ..paths import DataPaths
from ..supervisor.follower import LEVELS, parse_line
from ..supervisor.logfiles import previous
from ..telemetry.safe_text import safe_text
from .views import View, struct

FOLLOW_SECONDS = 0.2
STEP_BYTES = 1 << 20
LONGEST_LINE = 64 << 10
BATCH = 500
"""Lines in one response."""

_OWN = {"time", "logger", "plugin", "trace_id", "event_id", "delivery_id"}


class LogsPart:
    """Reads log files in threads, a bounded part at a time."""

    def __init__(self, view: View, paths: DataPaths) -> None:
        self._view = view
        self._paths = paths

    async def read_logs(
        self, request: admin_pb2.ReadLogsRequest
    ) -> AsyncIterator[admin_pb2.ReadLogsResponse]:
        """Matching lines from the end, then new ones."""
        path = self._paths.kernel_log
        if request.plugin:
            self._view.supervisor.plugin(request.plugin)
            path = self._paths.plugin_log(request.plugin)
        size = _size(path)
        found = await asyncio.to_thread(_last, path, size, request)
        for start in range(0, len(found), BATCH):
            yield admin_pb2.ReadLogsResponse(entries=found[start : start + BATCH])
        while request.follow:
            await asyncio.sleep(FOLLOW_SECONDS)
            now = _size(path)
            if now == size:
                continue
            found, size = await asyncio.to_thread(_after, path, size if now > size else 0, request)
            if found:
                yield admin_pb2.ReadLogsResponse(entries=found)


def entry_of(plugin: str, raw: bytes) -> admin_pb2.LogEntry:
    """A line as an entry; `plugin` wrote the file, empty for the kernel's."""
    line = parse_line(plugin, raw)
    fields = dict(line.fields)
    own = {name: safe_text(str(fields.pop(name, ""))) for name in _OWN}
    own["plugin"] = plugin or own["plugin"]
    inner = fields.pop("fields", None)
    if isinstance(inner, dict):
        fields = {**inner, **fields}
    entry = admin_pb2.LogEntry(
        level=admin_pb2.LogLevel.ValueType(LEVELS.index(line.level) + 1),
        plugin=own["plugin"],
        logger=own["logger"],
        message=line.text,
        trace_id=own["trace_id"],
        event_id=own["event_id"],
        delivery_id=own["delivery_id"],
    )
    try:
        entry.time.FromDatetime(datetime.fromisoformat(own["time"]))
    except ValueError:
        entry.ClearField("time")
    if fields:
        try:
            entry.fields.CopyFrom(struct(fields))
        except (ParseError, ValueError, TypeError):
            # A plugin may log what no protobuf object can hold, such as a number beyond all bounds.
            entry.fields.CopyFrom(struct({"text": safe_text(json.dumps(fields, default=str))}))
    return entry


def _wanted(entry: admin_pb2.LogEntry, request: admin_pb2.ReadLogsRequest) -> bool:
    return (
        entry.level >= request.level
        and (not request.trace_id or entry.trace_id == request.trace_id)
        and (not request.event_id or entry.event_id.startswith(request.event_id))
    )


def _last(path: Path, size: int, request: admin_pb2.ReadLogsRequest) -> list[admin_pb2.LogEntry]:
    """The last matching lines up to `size`, of the file before this one too."""
    found: deque[admin_pb2.LogEntry] = deque(maxlen=min(request.lines or 50, 10_000))
    for place, end in ((previous(path), -1), (path, size)):
        for raw in _lines(place, end, request):
            entry = entry_of(request.plugin, raw)
            if _wanted(entry, request):
                found.append(entry)
    return list(found)


def _lines(path: Path, end: int, request: admin_pb2.ReadLogsRequest) -> Iterator[bytes]:
    """Lines that may match: those without the id that is asked for are not even parsed."""
    needle = (request.trace_id or request.event_id).encode()
    try:
        with path.open("rb") as file:
            left = end if end >= 0 else path.stat().st_size
            while left > 0 and (raw := file.readline(LONGEST_LINE)):
                left -= len(raw)
                if raw.strip() and needle in raw:
                    yield raw
    except FileNotFoundError:
        return


def _after(
    path: Path, offset: int, request: admin_pb2.ReadLogsRequest
) -> tuple[list[admin_pb2.LogEntry], int]:
    """Matching lines from `offset` on, at most 1 MiB of them, and where they end."""
    with path.open("rb") as file:
        file.seek(offset)
        part = file.read(STEP_BYTES)
    # A line that is being written is left for the next look, unless it is endless.
    end = part.rfind(b"\n") + 1 or (len(part) if len(part) == STEP_BYTES else 0)
    entries = (entry_of(request.plugin, raw) for raw in part[:end].splitlines() if raw.strip())
    return [entry for entry in entries if _wanted(entry, request)], offset + end


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
