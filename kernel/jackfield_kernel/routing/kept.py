"""Route tables and sender sets over restarts, and the tables that the operator's file declares."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from google.protobuf.json_format import ParseDict, ParseError
from jackfield.v1 import router_pb2

from ..config import ConfigInvalid
from ..journal.journal import Journal
from ..journal.log import LogDriver, Put
from ..manifest import Problem
from .tables import FILE, ROUTES, SENDERS, RouteTables


class KeptRoutes:
    """Keeps what was pushed in the journal's buckets."""

    def __init__(self, driver: LogDriver, journal: Journal) -> None:
        self._driver = driver
        self._journal = journal

    def keep(self, kind: str, name: str, value: bytes) -> None:
        """A table or set changed; b"" removes it."""
        self._journal.put(Put(kind, name, value or None))

    async def load(self, tables: RouteTables, declared: Mapping[str, Any]) -> None:
        """Put in force what was kept, then what the file declares. Raises ConfigInvalid, RuleInvalid."""
        for kind in (SENDERS, ROUTES):
            for name, entry in await self._driver.entries(kind, limit=100_000):
                tables.load(kind, name, entry.value)
        for bot, rules in declared.items():
            table = router_pb2.RouteTable(bot=bot, version=FILE)
            try:
                ParseDict({"rules": rules}, table)
            except ParseError as error:
                problem = Problem(
                    "jackfield.yaml", f"routes.{bot}", f"rules of the contract ({error})", "Correct them."
                )
                raise ConfigInvalid([problem]) from error
            tables.push(table, source=FILE)
