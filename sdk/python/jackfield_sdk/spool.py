"""Native events that are not durable in the kernel yet, one JSON line each, synced to disk."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Spooled:
    """One event: the id it was given, the account or session that got it, the frame as it came (JSON), its deduplication key."""

    event_id: str
    self_id: str
    frame: bytes
    dedup_key: str = ""

    def line(self) -> bytes:
        """Its line. Line breaks of a frame stand between its tokens only, where a blank means the same."""
        fields = {"id": self.event_id, "self_id": self.self_id}
        if self.dedup_key:
            fields["key"] = self.dedup_key
        head = json.dumps(fields)[:-1].encode()
        frame = self.frame.replace(b"\r", b" ").replace(b"\n", b" ")
        return head + b', "frame": ' + frame + b"}\n"


class Spool:
    """One file. Blocking: call it in a thread, one call at a time."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self) -> list[Spooled]:
        """What the last process left. A last line that a crash cut is passed over: it was never promised."""
        if not self._path.exists():
            return []
        found: list[Spooled] = []
        for line in self._path.read_bytes().splitlines():
            try:
                record = json.loads(line)
                frame = json.dumps(record["frame"], ensure_ascii=False).encode(errors="replace")
                key = str(record.get("key", ""))
                found.append(Spooled(str(record["id"]), str(record["self_id"]), frame, key))
            except (ValueError, KeyError, TypeError):
                continue
        return found

    def append(self, records: Iterable[Spooled]) -> None:
        """Safe on disk when it returns. Raises OSError."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        is_new = not self._path.exists()
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(descriptor, "ab") as file:
            file.writelines(record.line() for record in records)
            file.flush()
            os.fsync(file.fileno())
        if is_new:
            folder = os.open(self._path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)

    def clear(self) -> None:
        """Everything in it is durable elsewhere."""
        self._path.unlink(missing_ok=True)
