"""Reading logs by Admin: the end of the file before, what matches, and what is written while one looks."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from jackfield.v1 import admin_pb2
from jackfield_kernel.admin import logs
from jackfield_kernel.admin.logs import LogsPart
from jackfield_kernel.paths import DataPaths


def line(message: str, **fields: str) -> bytes:
    return json.dumps({"message": message, **fields}).encode() + b"\n"


def part(folder: Path) -> LogsPart:
    view = SimpleNamespace(supervisor=SimpleNamespace(plugin=lambda name: None))
    data = DataPaths(folder)
    data.prepare()
    return LogsPart(view, data)  # type: ignore[arg-type]


async def read(reader: LogsPart, **fields: object) -> list[str]:
    request = admin_pb2.ReadLogsRequest(**fields)  # type: ignore[arg-type]
    return [entry.message async for response in reader.read_logs(request) for entry in response.entries]


async def test_the_last_lines_that_match_come_from_both_files(tmp_path: Path) -> None:
    reader = part(tmp_path)
    (tmp_path / "kernel.log.1").write_bytes(line("old", level="error", event_id="e1.0"))
    (tmp_path / "kernel.log").write_bytes(
        line("a", level="info", trace_id="t1") + b"\n" + line("b", level="warning") + line("c", event_id="e1")
    )
    assert await read(reader) == ["old", "a", "b", "c"]
    assert await read(reader, lines=2) == ["b", "c"]
    assert await read(reader, level=admin_pb2.LOG_LEVEL_WARNING) == ["old", "b"]
    assert await read(reader, trace_id="t1") == ["a"]
    assert await read(reader, event_id="e1") == ["old", "c"]
    assert await read(reader, plugin="nothing-written") == []


async def test_following_goes_on_over_half_lines_and_rotation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "FOLLOW_SECONDS", 0.005)
    reader, path = part(tmp_path), tmp_path / "logs" / "p.log"
    path.write_bytes(line("first"))
    stream = reader.read_logs(
        admin_pb2.ReadLogsRequest(plugin="p", follow=True, level=admin_pb2.LOG_LEVEL_INFO)
    )

    async def following() -> list[str]:
        response = await asyncio.wait_for(anext(stream), 5)
        return [entry.message for entry in response.entries]

    assert await following() == ["first"]
    whole = line("second half")
    with path.open("ab") as file:
        file.write(line("hidden", level="debug") + line("second") + whole[:5])
    assert await following() == ["second"]
    with path.open("ab") as file:
        file.write(whole[5:])
    assert await following() == ["second half"]
    path.write_bytes(line("n"))
    assert await following() == ["n"]
    await stream.aclose()  # type: ignore[attr-defined]
