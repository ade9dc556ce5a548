"""The audit trail: rows for what an operator did, what plugins called outside deliveries, and what was refused.

A call inside a delivery needs no row of its own: its CALL record is one. A plugin that calls or is refused in a loop may not fill the
journal: beyond a number of rows a minute, what is alike is counted and written as one row at the minute's end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from jackfield.v1 import journal_pb2

from ..journal.journal import Journal
from ..journal.log import Record, Unit
from ..journal.times import stamp
from .ledger import AUDIT

OPERATOR = "operator"
ROWS = 30
"""Rows that one plugin may cause in a window; the rest is counted."""
WINDOW_SECONDS = 60.0
KINDS = 50
"""Different acts that are counted apart for one plugin in a window; what exceeds them is counted together."""
LONGEST = 256


class Act(NamedTuple):
    """What somebody did; see AuditRecord."""

    actor: str
    action: str
    subject: str
    allowed: bool
    reason: str


@dataclass(slots=True)
class _Window:
    rows: int = 0
    counted: dict[Act, int] = field(default_factory=dict)


class AuditTrail:
    """Writes AUDIT records. Never waits, never fails its caller."""

    def __init__(self, journal: Journal, now: Callable[[], float]) -> None:
        self._journal = journal
        self._now = now
        self._windows: dict[str, _Window] = {}

    def operator(self, action: str, subject: str, reason: str = "", *, allowed: bool = True) -> None:
        """The operator did something by Admin; each act has its row."""
        self._write(_bounded(Act(OPERATOR, action, subject, allowed, reason)), 1)

    def called(self, plugin: str, method: str, subject: str, reason: str) -> None:
        """A plugin called another one outside deliveries; `reason` is that of the error, if any."""
        self._plugin(Act(plugin, method, subject, True, reason))

    def denied(self, plugin: str, method: str, grant: str, subject: str = "") -> None:
        """A plugin lacks a grant for what it asked."""
        self._plugin(Act(plugin, method, subject, False, grant))

    def flush(self) -> None:
        """A window ends: write what was only counted."""
        windows, self._windows = self._windows, {}
        for window in windows.values():
            for act, count in window.counted.items():
                self._write(act, count)

    async def flushes(self) -> None:
        """End a window each minute, for ever; what is counted is written also at the end."""
        try:
            while True:
                await asyncio.sleep(WINDOW_SECONDS)
                self.flush()
        finally:
            self.flush()

    def _plugin(self, act: Act) -> None:
        act = _bounded(act)
        window = self._windows.setdefault(act.actor, _Window())
        if window.rows < ROWS:
            window.rows += 1
            self._write(act, 1)
            return
        if act not in window.counted and len(window.counted) >= KINDS:
            act = act._replace(action="*", subject="*", reason="*")
        window.counted[act] = window.counted.get(act, 0) + 1

    def _write(self, act: Act, count: int) -> None:
        body = journal_pb2.AuditRecord(
            actor=act.actor,
            action=act.action,
            subject=act.subject,
            allowed=act.allowed,
            reason=act.reason,
            count=count,
            time=stamp(self._now()),
        )
        self._journal.submit(Unit((Record(AUDIT, act.subject, body.SerializeToString()),)), lambda _: None)


def _bounded(act: Act) -> Act:
    """Names come from plugins: none may be longer than a name is."""
    return Act(act.actor, act.action[:LONGEST], act.subject[:LONGEST], act.allowed, act.reason[:LONGEST])
