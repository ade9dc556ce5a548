"""What was seen and not told yet. It stands in the plugin's keys before an event counts as seen, so that no crash loses it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

from jackfield_sdk import Kv

from jackfield_notices.texts import line_of, notice

KEY = "digest"
REMEMBERED = 200
"""Ids of seen events that are kept: after a crash the last ones come again."""
MAX_LINES = 20
"""Different lines of one occasion; what exceeds them is counted as one."""
OTHERS = "…"


class Digest:
    """Counts per occasion and line, and the notice that is being sent.

    A notice is frozen with a number before it is sent: after a crash the same text goes out under the same key, which the kernel
    knows, so it appears once.
    """

    def __init__(self, kv: Kv) -> None:
        self._kv = kv
        self._lock = asyncio.Lock()
        self._number = 0
        self._seen: list[str] = []
        self._counted: dict[str, dict[str, int]] = {}
        self.sending = ""
        """The text that is on its way; empty when none is."""
        self.changed = asyncio.Event()

    async def load(self) -> None:
        """Take up what an earlier process left."""
        text = await self._kv.get_text(KEY)
        if text:
            found = json.loads(text)
            self._number, self._seen = found["number"], found["seen"]
            self._counted, self.sending = found["counted"], found["sending"]
        self.changed.set()

    @property
    def key(self) -> str:
        """Names the notice that is being sent."""
        return f"notice-{self._number}"

    @property
    def waits(self) -> bool:
        """Whether there is something to tell."""
        return bool(self.sending or self._counted)

    async def add(self, event_id: str, occasion: str, values: Mapping[str, Any]) -> None:
        """Count one occasion; durable when this returns."""
        async with self._lock:
            if event_id in self._seen:
                return
            self._seen = [*self._seen, event_id][-REMEMBERED:]
            lines = self._counted.setdefault(occasion, {})
            line = line_of(occasion, values)
            if line not in lines and len(lines) >= MAX_LINES:
                line = OTHERS
            lines[line] = lines.get(line, 0) + 1
            await self._store()
        self.changed.set()

    async def freeze(self, language: str) -> None:
        """Make the next notice out of what was counted, unless one is on its way."""
        async with self._lock:
            if not self.sending and self._counted:
                self.sending, self._counted = notice(self._counted, language), {}
                self._number += 1
                await self._store()

    async def sent(self) -> None:
        """The notice arrived."""
        async with self._lock:
            self.sending = ""
            await self._store()

    async def _store(self) -> None:
        state = {
            "number": self._number,
            "seen": self._seen,
            "counted": self._counted,
            "sending": self.sending,
        }
        await self._kv.put(KEY, json.dumps(state, ensure_ascii=False))
