"""Which blobs are still named by something, and the removal of those that are not.

A blob lives as long as a record of the log, a dead letter, a kept result or a plugin's entry contains its id, and a grace longer:
between storing a blob and committing what names it nothing else protects it. Nothing here is kept on disk: a kernel that dies in
between finds out anew.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable, Iterable, Iterator

from jackfield.v1 import journal_pb2

from ..journal.errors import JournalFailed
from ..journal.log import LogDriver
from ..journal.reading import every
from .blobs import Blobs
from .writes import kv_bucket

log = logging.getLogger(__name__)

GRACE_SECONDS = 3600.0
SWEEP_SECONDS = 600.0
STEP_SECONDS = 0.02
"""Pause between two batches of the log, so that a long log is read beside the work and not before it."""
REMOVED_AT_ONCE = 200

_ID = re.compile(rb"sha256-[0-9a-f]{64}")


def named_in(bodies: Iterable[bytes]) -> Iterator[str]:
    """Ids of blobs that stand in these bodies, wherever."""
    for body in bodies:
        for found in _ID.finditer(body):
            yield found[0].decode()


class Collector:
    """Looks now and then for blobs that nobody names. The log is read once, then only what is new of it."""

    def __init__(
        self, blobs: Blobs, driver: LogDriver, buckets: Iterable[str], wall: Callable[[], float]
    ) -> None:
        self.paused = False
        """True while blobs are copied for a backup: nothing is removed meanwhile."""
        self._blobs = blobs
        self._driver = driver
        self._buckets = tuple(buckets)
        self._wall = wall
        self._seen = 0
        self._last: dict[str, int] = {}

    async def run(self) -> None:
        """Sweep for ever."""
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            try:
                removed = await self.sweep()
            except (JournalFailed, OSError) as error:
                log.warning("unnamed blobs stay for now: %s", error)
                continue
            if removed:
                log.info("removed %d blobs that nothing names", removed)

    async def sweep(self, grace: float = GRACE_SECONDS) -> int:
        """Remove what is older than `grace` seconds and not named; returns how many. Without old blobs nothing is read."""
        started = self._wall()
        old = await self._blobs.older_than(grace)
        if not old:
            return 0
        await self._read_on()
        # The audit trail outlives what it is about, and names no blob.
        first = await self._driver.scan(kinds=(journal_pb2.RECORD_KIND_ACCEPTED,), limit=1)
        oldest = first[0].sequence if first else self._seen + 1
        self._last = {blob: sequence for blob, sequence in self._last.items() if sequence >= oldest}
        unnamed = list(old - self._last.keys() - await self._named_in_buckets())
        removed = 0
        for start in range(0, len(unnamed), REMOVED_AT_ONCE):
            if self.paused:
                break
            removed += await self._blobs.remove(
                unnamed[start : start + REMOVED_AT_ONCE], stored_before=started - grace
            )
        return removed

    async def remove_unnamed(self, blob_ids: set[str]) -> int:
        """Remove those of these blobs that nothing names any more, whatever their age: their owner is to be forgotten."""
        self._seen, self._last = 0, {}
        await self._read_on()
        unnamed = blob_ids - self._last.keys() - await self._named_in_buckets()
        return await self._blobs.remove(unnamed, stored_before=self._wall() + 1)

    async def _read_on(self) -> None:
        async for batch in self._driver.replay(self._seen + 1):
            await asyncio.to_thread(self._note, [(one.sequence, one.record.body) for one in batch])
            self._seen = batch[-1].sequence
            await asyncio.sleep(STEP_SECONDS)

    def _note(self, records: list[tuple[int, bytes]]) -> None:
        for sequence, body in records:
            for blob in named_in((body,)):
                self._last[blob] = sequence

    async def _named_in_buckets(self) -> set[str]:
        namespaces = await self._driver.usage(kv_bucket(""))
        found: set[str] = set()
        for bucket in (*self._buckets, *namespaces):
            async for _, entry in every(self._driver, bucket):
                found.update(named_in((entry.value,)))
        return found
