"""Key-value namespaces of plugins, with watches. A namespace is a bucket of the journal."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass

from jackfield.v1 import frame_pb2, kernel_pb2

from ..errors import Refused
from ..journal.journal import Journal
from ..journal.log import CONFLICT, Entry, LogDriver, Unit
from ..journal.reading import every
from ..journal.times import stamp
from .quotas import Quotas
from .writes import kv_bucket, kv_unit

MAX_KEY_BYTES = 512
MAX_VALUE_BYTES = 64 * 1024
MAX_WRITES = 100
MAX_LIST = 1_000

Change = Callable[[frame_pb2.KvWrite, int], None]
"""Called with each committed write and its version."""


@dataclass(slots=True, frozen=True)
class _Watch:
    prefix: str
    change: Change


def check_writes(writes: Iterable[frame_pb2.KvWrite]) -> None:
    """Refuse writes that break the bounds. Raises Refused."""
    count = 0
    for write in writes:
        count += 1
        if not 1 <= len(write.key.encode()) <= MAX_KEY_BYTES:
            raise Refused("INVALID_ARGUMENT", f"a key has 1 to {MAX_KEY_BYTES} bytes", field="key")
        if len(write.value) > MAX_VALUE_BYTES:
            raise Refused(
                "CONTENT_TOO_LARGE",
                f"the value of {write.key!r} has {len(write.value)} bytes; at most {MAX_VALUE_BYTES} are allowed",
                remedy="Keep large values as blobs and their ids here.",
                limit=str(MAX_VALUE_BYTES),
                unit="bytes",
            )
    if not 1 <= count <= MAX_WRITES:
        raise Refused("INVALID_ARGUMENT", f"1 to {MAX_WRITES} writes at once", field="writes")


class KeyValues:
    """All namespaces."""

    def __init__(self, journal: Journal, driver: LogDriver, now: Callable[[], float], quotas: Quotas) -> None:
        self.quotas = quotas
        self._journal = journal
        self._driver = driver
        self._now = now
        self._watches: dict[str, list[_Watch]] = {}

    async def get(self, plugin: str, key: str) -> kernel_pb2.KvEntry:
        """One entry. Raises Refused NOT_FOUND."""
        entry = await self._driver.get(kv_bucket(plugin), key)
        if entry is None or (entry.expires_at and entry.expires_at <= self._now()):
            raise Refused("NOT_FOUND", f"there is no key {key!r}", key=key)
        return _entry(key, entry)

    async def write(self, plugin: str, writes: Iterable[frame_pb2.KvWrite]) -> int:
        """Write all or none; returns the version. Raises Refused CONFLICT, QUOTA_EXCEEDED."""
        kept = list(writes)
        check_writes(kept)
        await self.quotas.check_counted(plugin, kept)
        checks, puts = kv_unit(plugin, kept, self._now())
        outcome = await self._journal.write(Unit(checks=checks, puts=puts))
        if outcome.code == CONFLICT:
            raise Refused("CONFLICT", f"key {outcome.key!r} changed since it was read", key=outcome.key)
        self.written(plugin, kept, outcome.version)
        return outcome.version

    async def list(
        self, plugin: str, prefix: str, after: str, limit: int
    ) -> tuple[list[kernel_pb2.KvEntry], bool]:
        """Entries in key order, and whether more follow."""
        limit = min(limit or 100, MAX_LIST)
        found = await self._driver.entries(kv_bucket(plugin), prefix, after, limit + 1)
        return [_entry(key, entry) for key, entry in found[:limit]], len(found) > limit

    async def every(self, plugin: str) -> AsyncIterator[kernel_pb2.KvEntry]:
        """All entries, by key."""
        async for key, entry in every(self._driver, kv_bucket(plugin)):
            yield _entry(key, entry)

    def watch(self, plugin: str, prefix: str, change: Change) -> Callable[[], None]:
        """Call `change` for each committed write below `prefix`; returns what ends the watch."""
        watch = _Watch(prefix, change)
        self._watches.setdefault(plugin, []).append(watch)

        def stop() -> None:
            watches = self._watches.get(plugin, [])
            if watch in watches:
                watches.remove(watch)

        return stop

    def written(self, plugin: str, writes: Sequence[frame_pb2.KvWrite], version: int) -> None:
        """Writes were committed, here or with an ack."""
        self.quotas.written(plugin, writes)
        for watch in tuple(self._watches.get(plugin, ())):
            for write in writes:
                if write.key.startswith(watch.prefix):
                    watch.change(write, version)


def _entry(key: str, entry: Entry) -> kernel_pb2.KvEntry:
    message = kernel_pb2.KvEntry(key=key, value=entry.value, version=entry.version)
    if entry.expires_at:
        message.expire_time.CopyFrom(stamp(entry.expires_at))
    return message
