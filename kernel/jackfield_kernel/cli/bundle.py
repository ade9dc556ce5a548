"""What `jackfield doctor --bundle` packs: enough to understand a fault, and without asking no content of any message.

Configuration comes from Admin, which masks secrets. Lines that plugins wrote, and lines about an event, keep everything but their text.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import zipfile
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from importlib.metadata import distributions
from pathlib import Path

import psutil
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from jackfield.v1 import admin_pb2, admin_pb2_grpc

from .checks import Finding
from .failure import Failure

LINES = 1_000
DEAD = 1_000
_KEPT = ("time", "level", "plugin", "logger", "trace_id", "event_id", "delivery_id")
_README = """Made by `jackfield doctor --bundle`. Look through it before you hand it on.

Content of messages: {content}.
Secrets of the configuration are masked; environment variables are not in here.
"""

Part = tuple[str, object]
"""Name of a file, and its text or what becomes JSON."""


def write_bundle(path: Path, parts: Iterator[Part]) -> list[str]:
    """Write a new zip file that only its owner reads; returns the names in it."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise Failure(
            f"{path} cannot be written: {error.strerror}.", "Name a file that does not exist."
        ) from error
    names = []
    with os.fdopen(descriptor, "wb") as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts:
            text = content if isinstance(content, str) else json.dumps(content, indent=2, default=str)
            archive.writestr(name, text + "\n")
            names.append(name)
    return names


def machine_parts(checks: Sequence[Finding], *, content: bool) -> Iterator[Part]:
    """What needs no kernel."""
    yield "README.txt", _README.format(content="included, as asked" if content else "left out")
    yield "doctor.json", [check.as_json() for check in checks]
    memory = psutil.virtual_memory()
    yield (
        "machine.json",
        {
            "taken": datetime.now(UTC).isoformat(timespec="seconds"),
            "system": platform.platform(),
            "machine": platform.machine(),
            "python": sys.version,
            "cores": os.cpu_count(),
            "memory_bytes": memory.total,
            "memory_available_bytes": memory.available,
            "load": os.getloadavg(),
        },
    )
    versions = {one.metadata["Name"]: one.version for one in distributions() if one.metadata["Name"]}
    yield "versions.json", dict(sorted(versions.items(), key=lambda item: item[0].lower()))


def kernel_parts(stub: admin_pb2_grpc.AdminStub, *, content: bool) -> Iterator[Part]:
    """What a running kernel tells."""
    status = stub.GetStatus(admin_pb2.GetStatusRequest()).status
    yield "status.json", _plain(status)
    config = stub.CheckConfig(admin_pb2.CheckConfigRequest())
    yield "configuration.json", _plain(config)
    for plugin in status.plugins:
        found = stub.GetPlugin(admin_pb2.GetPluginRequest(name=plugin.name))
        if not content:
            del found.last_lines[:]
        yield f"plugins/{plugin.name}.json", _plain(found)
    figures = stub.GetFigures(admin_pb2.GetFiguresRequest(processes=True, metrics=True))
    yield "metrics.txt", figures.metrics
    figures.metrics = ""
    yield "figures.json", _plain(figures)
    yield (
        "journal.json",
        {
            "identity": status.journal,
            "boot": status.boot,
            "bytes": figures.journal_bytes,
            "last_sequence": figures.last_sequence,
            "backlog": figures.journal_backlog,
            "commit_seconds": figures.commit_seconds,
        },
    )
    yield "routes.json", _plain(stub.ListRoutes(admin_pb2.ListRoutesRequest()))
    letters = stub.ListDeadLetters(admin_pb2.ListDeadLettersRequest(limit=DEAD)).dead_letters
    yield "dead_letters.json", _dead(letters, content=content)
    lines = "\n".join(json.dumps(_line(entry, content=content), ensure_ascii=True) for entry in _log(stub))
    yield "log.jsonl", lines


def _dead(letters: Sequence[admin_pb2.DeadLetter], *, content: bool) -> dict[str, object]:
    counted = Counter(f"{letter.handler}: {letter.error.reason}" for letter in letters)
    shown = []
    for letter in letters:
        entry = {
            "delivery_id": letter.delivery_id,
            "handler": letter.handler,
            "rule": letter.rule_id,
            "reason": letter.error.reason,
            "attempts": letter.attempts,
            "crashes": letter.crashes,
            "time": letter.time.ToJsonString(),
        }
        shown.append({**entry, "letter": _plain(letter)} if content else entry)
    return {"by_handler_and_reason": dict(counted.most_common()), "dead_letters": shown}


def _log(stub: admin_pb2_grpc.AdminStub) -> Iterator[admin_pb2.LogEntry]:
    for part in stub.ReadLogs(admin_pb2.ReadLogsRequest(lines=LINES)):
        yield from part.entries


def _line(entry: admin_pb2.LogEntry, *, content: bool) -> dict[str, object]:
    line = _plain(entry)
    if content or not (entry.plugin or entry.event_id):
        return line
    kept: dict[str, object] = {name: line[name] for name in _KEPT if line.get(name)}
    fields = line.get("fields")
    if isinstance(fields, dict) and "reason" in fields:
        kept["reason"] = fields["reason"]
    return kept


def _plain(message: Message) -> dict[str, object]:
    found: dict[str, object] = MessageToDict(message, preserving_proto_field_name=True)
    return found
