"""Tables and sender sets in force, pushed by the router policy or declared in the file."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable

from jackfield.v1 import admin_pb2, event_pb2, router_pb2

from ..errors import Refused
from .decision import Decision, Wait
from .errors import RuleInvalid
from .senders import members_of
from .table import CompiledTable

ROUTES = "routes"
"""Kind under which tables are kept."""
SENDERS = "senders"
"""Kind under which sender sets are kept."""
FILE = "file"
"""Source of the tables that the operator's file declares; nobody else replaces those."""
ANY_BOT = "*"
"""The table under this name serves every bot without one of its own."""

OnChange = Callable[[str, str, bytes], None]
"""Called with kind, name and what to keep after each change; b"" removes the name. Must not raise."""

_BOT = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}|\*", re.ASCII)
_FILE_PREFIX = FILE + "/"
_REASONS = 1_000


def _keep_nothing(kind: str, name: str, value: bytes) -> None:
    """Tables that live as long as the process."""


class RouteTables:
    """The routing room: the `Decider` of the bus."""

    def __init__(self, on_change: OnChange = _keep_nothing) -> None:
        self._on_change = on_change
        self._version = 0
        self._declared: dict[str, CompiledTable] = {}
        self._pushed: dict[str, CompiledTable] = {}
        self._sets: dict[str, frozenset[str]] = {}
        self._reasons: dict[str, None] = {}

    def push(self, table: router_pb2.RouteTable, *, source: str) -> None:
        """Put a table in force, whole or not at all.

        `source` is the id of the plugin that pushes, or `FILE`. RuleInvalid names rule and field; Refused
        (CONFIG_PINNED) for a bot whose rules stand in the file. The table must not be changed afterwards.
        """
        if not _BOT.fullmatch(table.bot):
            raise RuleInvalid("bot", repr(table.bot), "the name of a bot, or * for every bot without a table")
        if source != FILE and table.bot in self._declared:
            raise Refused(
                "CONFIG_PINNED",
                f"the rules of bot {table.bot} stand in the configuration file",
                remedy=f"Change them there, or remove `routes` of {table.bot} from the file.",
                bot=table.bot,
            )
        compiled = CompiledTable(table, self._version + 1, source, self._sets)
        self._version = compiled.version
        layer, prefix = (self._declared, _FILE_PREFIX) if source == FILE else (self._pushed, "")
        layer[table.bot] = compiled
        self._changed(ROUTES, prefix + table.bot, dump_table(compiled))

    def push_senders(self, pushed: router_pb2.SenderSet) -> None:
        """Put a sender set in force. RuleInvalid names the field; the last good one stays in force."""
        self._sets[pushed.name] = members_of(pushed)
        self._changed(SENDERS, pushed.name, pushed.SerializeToString())

    def remove(self, bot: str) -> None:
        """Forget the tables of a bot, pushed and declared. Idempotent."""
        if self._pushed.pop(bot, None):
            self._changed(ROUTES, bot, b"")
        if self._declared.pop(bot, None):
            self._changed(ROUTES, _FILE_PREFIX + bot, b"")

    def load(self, kind: str, name: str, value: bytes) -> None:
        """Take back what `on_change` was given, at start, in any order.

        Tables of the file only raise the count: the file is read anew. RuleInvalid for a table that another
        version of the kernel accepted and this one refuses.
        """
        if kind == SENDERS:
            self._sets[name] = members_of(router_pb2.SenderSet.FromString(value))
            return
        version, table = load_table(value)
        self._version = max(self._version, version)
        if not name.startswith(_FILE_PREFIX):
            self._pushed[name] = CompiledTable(table, version, "journal", self._sets)

    def _changed(self, kind: str, name: str, value: bytes) -> None:
        self._reasons.clear()
        self._on_change(kind, name, value)

    def decide(self, event: event_pb2.Event) -> Decision | Wait:
        """Evaluate the table in force for the event's bot. Never raises, never waits."""
        table = self.table(event.bot)
        if table is None and not event.bot:
            # A plugin's own event about no bot: it is for observers, and no router owes it a table.
            return Decision((), 0, b"")
        answer = table.decide(event) if table else Wait(f"no route table for bot {event.bot}")
        if isinstance(answer, Wait) and len(self._reasons) < _REASONS:
            self._reasons[answer.reason] = None
        return answer

    def table(self, bot: str) -> CompiledTable | None:
        """The table in force for a bot: its own before the one for all, the file's before a pushed one."""
        return (
            self._declared.get(bot)
            or self._pushed.get(bot)
            or self._declared.get(ANY_BOT)
            or self._pushed.get(ANY_BOT)
        )

    def tables(self) -> list[CompiledTable]:
        """Tables in force, by bot."""
        merged = {**self._pushed, **self._declared}
        return [merged[bot] for bot in sorted(merged)]

    def explain(self, event: event_pb2.Event) -> admin_pb2.TestRouteResponse:
        """What every rule says to an event, and which would run. Refused (NOT_FOUND) without a table."""
        table = self.table(event.bot)
        if table is None:
            raise Refused(
                "NOT_FOUND",
                f"no route table for bot {event.bot}",
                remedy="Install a router plugin, or declare `routes` in the configuration file.",
                bot=event.bot,
            )
        answer = table.decide(event)
        chain = [rule.id for rule in answer.rules] if isinstance(answer, Decision) else []
        return admin_pb2.TestRouteResponse(rules=table.explain(event), chain=chain)

    def missing_sets(self, bot: str = "") -> list[str]:
        """Names of the sender sets that the tables in force (or the one of `bot`) need and nobody pushed."""
        table = self.table(bot) if bot else None
        tables = ([table] if table else []) if bot else self.tables()
        return sorted({name for one in tables for name in one.sets if name not in self._sets})

    def waiting_reasons(self) -> list[str]:
        """Why events had to wait since the last change, at most 1,000."""
        return list(self._reasons)


def dump_table(compiled: CompiledTable) -> bytes:
    """A table as it is kept: the kernel's count in 8 bytes, then the serialized RouteTable."""
    return struct.pack(">Q", compiled.version) + compiled.table.SerializeToString()


def load_table(value: bytes) -> tuple[int, router_pb2.RouteTable]:
    """The kernel's count and the table."""
    (version,) = struct.unpack_from(">Q", value)
    return version, router_pb2.RouteTable.FromString(value[8:])
