"""Results of calls that plugins made outside deliveries under an idempotency key, kept so that a repeat acts once."""

from __future__ import annotations

from collections.abc import Callable

from jackfield.v1 import journal_pb2

from ..journal.journal import Journal
from ..journal.log import LogDriver, Outcome, Put, Unit

BUCKET = "call"
KEEP_SECONDS = 24 * 3600.0


class KeptResults:
    """Entries of the journal, by plugin and key, gone after 24 h."""

    def __init__(self, journal: Journal, driver: LogDriver, now: Callable[[], float]) -> None:
        self._journal = journal
        self._driver = driver
        self._now = now

    async def find(self, plugin: str, key: str) -> journal_pb2.CallRecord | None:
        """The result that is kept under the key."""
        entry = await self._driver.get(BUCKET, f"{plugin}/{key}")
        if entry is None or entry.expires_at <= self._now():
            return None
        return journal_pb2.CallRecord.FromString(entry.value)

    def keep(self, plugin: str, record: journal_pb2.CallRecord, done: Callable[[], None]) -> None:
        """Commit a result; the caller may see it once `done` runs."""
        put = Put(BUCKET, f"{plugin}/{record.key}", record.SerializeToString(), self._now() + KEEP_SECONDS)

        def committed(_: Outcome) -> None:
            done()

        self._journal.submit(Unit(puts=(put,)), committed)
