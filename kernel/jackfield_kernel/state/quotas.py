"""How much each plugin keeps in its key-value namespace, and how much it may."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from jackfield.v1 import frame_pb2

from ..errors import Refused
from ..journal.errors import JournalFailed
from ..journal.log import LogDriver
from .writes import kv_bucket

log = logging.getLogger(__name__)

MAX_ENTRIES = 100_000
MAX_BYTES = 64 * 1024 * 1024
NEAR = 0.9
"""Above this part of a quota deleting makes the namespace be counted again."""
RECOUNT_SECONDS = 1.0
"""A plugin that writes on after a refusal is counted again so often at most."""


class Quota(NamedTuple):
    """Most entries, and most bytes of keys and values."""

    entries: int = MAX_ENTRIES
    bytes: int = MAX_BYTES


@dataclass(slots=True)
class _Usage:
    """What was counted, and what may have come since: a write that replaces an entry looks like a new one until the next count."""

    entries: int = 0
    bytes: int = 0
    entries_since: int = 0
    bytes_since: int = 0
    counted: float = 0.0
    counting: asyncio.Task[None] | None = None


class Quotas:
    """Counts without asking the storage: an ack may not wait. `quota_of` says what a plugin may keep.

    Only a count refuses, never a guess; the nearer the bound, the sooner the namespace is counted again.
    """

    def __init__(self, driver: LogDriver, quota_of: Callable[[str], Quota], tasks: asyncio.TaskGroup) -> None:
        self.quota_of = quota_of
        self._driver = driver
        self._tasks = tasks
        self._used: dict[str, _Usage] = {}

    def check(self, plugin: str, writes: Iterable[frame_pb2.KvWrite]) -> None:
        """Count the writes in, or refuse them. Raises Refused QUOTA_EXCEEDED. Deleting is always allowed."""
        added = [write for write in writes if not write.delete]
        if not added:
            return
        used, quota = self._usage(plugin), self.quota_of(plugin)
        size = _size(added)
        for kept, more, limit, unit in (
            (used.entries, len(added), quota.entries, "entries"),
            (used.bytes, size, quota.bytes, "bytes"),
        ):
            if kept + more > limit:
                if asyncio.get_running_loop().time() - used.counted > RECOUNT_SECONDS:
                    self._count(plugin, used)
                raise _exceeded(plugin, kept, limit, unit)
        used.entries_since += len(added)
        used.bytes_since += size

    async def check_counted(self, plugin: str, writes: Iterable[frame_pb2.KvWrite]) -> None:
        """As `check`, but what may be too much is counted before it is allowed or refused."""
        kept = [write for write in writes if not write.delete]
        used, quota = self._usage(plugin), self.quota_of(plugin)
        while kept and (
            used.entries + used.entries_since + len(kept) > quota.entries
            or used.bytes + used.bytes_since + _size(kept) > quota.bytes
        ):
            fresh = not used.entries_since and used.counting is None and used.counted
            if fresh and asyncio.get_running_loop().time() - used.counted <= RECOUNT_SECONDS:
                break
            await asyncio.shield(self._count(plugin, used))
            if not used.entries_since:
                break
        self.check(plugin, kept)

    def written(self, plugin: str, writes: Iterable[frame_pb2.KvWrite]) -> None:
        """Writes are committed: the nearer the bound, the sooner they are counted."""
        used, quota = self._used.get(plugin), self.quota_of(plugin)
        if used is None:
            return
        entries, size = quota.entries - used.entries, quota.bytes - used.bytes
        freed = any(write.delete for write in writes)
        near = used.entries > NEAR * quota.entries or used.bytes > NEAR * quota.bytes
        if used.entries_since > entries / 4 or used.bytes_since > size / 4 or (freed and near):
            self._count(plugin, used)

    async def all(self) -> dict[str, tuple[int, int]]:
        """Entries and bytes of every plugin that keeps something."""
        found = await self._driver.usage(kv_bucket(""))
        return {bucket.removeprefix(kv_bucket("")): usage for bucket, usage in found.items()}

    def _usage(self, plugin: str) -> _Usage:
        used = self._used.get(plugin)
        if used is None:
            used = self._used[plugin] = _Usage()
            self._count(plugin, used)
        return used

    def _count(self, plugin: str, used: _Usage) -> asyncio.Task[None]:
        if used.counting is None:
            used.counting = self._tasks.create_task(
                self._counted(plugin, used, used.entries_since, used.bytes_since),
                name=f"entries of {plugin}",
            )
        return used.counting

    async def _counted(self, plugin: str, used: _Usage, entries: int, size: int) -> None:
        """`entries` and `size`: what was written since the last count when this one was asked for."""
        bucket = kv_bucket(plugin)
        try:
            found = await self._driver.usage(bucket)
            used.entries, used.bytes = found.get(bucket, (0, 0))
            # What came while it was counted may be in the figure or not: it counts on.
            used.entries_since -= entries
            used.bytes_since -= size
        except JournalFailed as error:
            log.warning("the entries of %s cannot be counted: %s", plugin, error)
        finally:
            used.counted = asyncio.get_running_loop().time()
            used.counting = None


def _size(writes: Iterable[frame_pb2.KvWrite]) -> int:
    return sum(len(write.key.encode()) + len(write.value) for write in writes)


def _exceeded(plugin: str, used: int, limit: int, unit: str) -> Refused:
    return Refused(
        "QUOTA_EXCEEDED",
        f"plugin {plugin} keeps {used} {unit} of at most {limit}",
        remedy=f"Delete what it does not need (`jackfield kv list {plugin}`), or grant it more with kv:<size>.",
        limit=str(limit),
        unit=unit,
    )
