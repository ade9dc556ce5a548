"""Blobs go when nothing names them, and never before: not while young, not while stored again in the same moment."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from jackfield_kernel.errors import Refused
from jackfield_kernel.journal.log import Put, Record, Unit
from jackfield_kernel.journal.memory import MemoryLog
from jackfield_kernel.state import collector as module
from jackfield_kernel.state.blobs import Blobs
from jackfield_kernel.state.collector import GRACE_SECONDS, Collector

NOW = 2_000_000_000.0


class Store:
    """Blobs, a log, and a clock."""

    def __init__(self, folder: Path, max_bytes: int = 0) -> None:
        self.folder = folder
        self.log = MemoryLog()
        self.blobs = Blobs(folder, max_bytes, wall=lambda: NOW)
        self.collector = self.another()

    def another(self) -> Collector:
        return Collector(self.blobs, self.log, ("dead",), lambda: NOW)

    async def put(self, content: bytes, age: float = GRACE_SECONDS + 1) -> str:
        async with self.blobs.write(len(content)) as incoming:
            await incoming.add(content)
            blob_id, _ = await incoming.store()
        os.utime(self.folder / blob_id[7:9] / blob_id, (NOW - age, NOW - age))
        return blob_id

    def there(self) -> set[str]:
        return {path.name for path in self.folder.glob("*/*")}


@pytest.fixture
async def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setattr(module, "STEP_SECONDS", 0.0)
    store = Store(tmp_path)
    await store.log.open()
    await store.blobs.load()
    return store


async def test_what_a_record_a_dead_letter_or_an_entry_names_stays(store: Store) -> None:
    named = [await store.put(bytes([number])) for number in range(3)]
    unnamed, young = await store.put(b"unnamed"), await store.put(b"young", age=10.0)
    record, dead, entry = (blob.encode() for blob in named)
    await store.log.commit(
        [Unit((Record(1, "e", b"\x01" + record + b"\x02"),))],
        [Put("dead", "d", b"x" + dead), Put("kv/plugin", "k", b'{"b":"' + entry + b'"}')],
        1.0,
    )
    assert await store.collector.sweep() == 1
    assert store.there() == {*named, young}
    assert unnamed not in store.there()
    assert (store.blobs.count, store.blobs.bytes, store.blobs.collected) == (4, 8, 1)


async def test_a_later_sweep_reads_on_and_lets_go_what_retention_removed(store: Store) -> None:
    first, second = await store.put(b"1"), await store.put(b"2")
    await store.log.commit([Unit((Record(1, "a", first.encode()),))], [], 1.0)
    await store.log.commit([Unit((Record(1, "b", second.encode()),))], [], 1.0)
    assert await store.collector.sweep() == 0
    await store.log.trim(2)
    assert await store.collector.sweep() == 1
    assert store.there() == {second}
    # A kernel that starts anew comes to the same result.
    assert await store.another().sweep() == 0


async def test_storing_again_makes_young(store: Store) -> None:
    blob = await store.put(b"x")
    old = await store.blobs.older_than(GRACE_SECONDS)
    assert old == {blob}
    await store.put(b"x", age=0.0)
    assert await store.blobs.remove(old, stored_before=NOW - GRACE_SECONDS) == 0
    assert store.there() == {blob}
    assert store.blobs.count == 1


async def test_nothing_goes_while_a_backup_is_written(store: Store) -> None:
    blob = await store.put(b"x")
    store.collector.paused = True
    assert await store.collector.sweep() == 0
    assert store.there() == {blob}


async def test_halves_of_an_earlier_kernel_are_swept_at_start(store: Store) -> None:
    blob = await store.put(b"x")
    (store.folder / ".0123").write_bytes(b"half")
    again = Blobs(store.folder)
    await again.load()
    assert (again.count, again.bytes) == (1, 1)
    assert [path.name for path in store.folder.rglob("*") if path.is_file()] == [blob]


async def test_the_bound_of_all_refuses_new_ones(tmp_path: Path) -> None:
    store = Store(tmp_path, max_bytes=10)
    await store.blobs.load()
    await store.put(b"12345678")
    with pytest.raises(Refused) as refused:
        await store.put(b"123")
    assert (refused.value.reason, refused.value.metadata["limit"]) == ("QUOTA_EXCEEDED", "10")
