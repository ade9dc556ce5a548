"""Bad files, bad folders, full disks: a typed error with a remedy, never a hang, never half a group."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from jackfield_kernel.journal.errors import JournalFailed, JournalTooNew
from jackfield_kernel.journal.log import Put, Record, Unit
from jackfield_kernel.journal.sqlite import schema
from jackfield_kernel.journal.sqlite.driver import SqliteLog

pytestmark = pytest.mark.integration

BIG = Unit((Record(1, "big", bytes(100_000)),))
SMALL = Unit((Record(1, "small", b""),))


async def reason_to_refuse(path: Path) -> str:
    with pytest.raises(JournalFailed) as failure:
        await SqliteLog(path).open()
    assert failure.value.remedy
    assert failure.value.reason in str(failure.value)
    return failure.value.reason


async def fill(path: Path, records: int = 1) -> None:
    log = SqliteLog(path)
    await log.open()
    await log.commit([Unit((Record(1, "r", bytes(5_000)),) * records)], [], 1.0)
    await log.close()


async def test_a_missing_folder(tmp_path: Path) -> None:
    assert await reason_to_refuse(tmp_path / "none" / "journal.db") == "CANNOT_OPEN"


async def test_a_folder_in_the_place_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "journal.db").mkdir()
    assert await reason_to_refuse(tmp_path / "journal.db") == "CANNOT_OPEN"


async def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "journal.db").write_bytes(b"once upon a time " * 1_000)
    assert await reason_to_refuse(tmp_path / "journal.db") == "CORRUPT"


async def test_the_database_of_another_program_is_left_alone(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "journal.db")) as other:
        other.execute("CREATE TABLE theirs (x)")
    before = (tmp_path / "journal.db").read_bytes()
    assert await reason_to_refuse(tmp_path / "journal.db") == "NOT_A_JOURNAL"
    assert (tmp_path / "journal.db").read_bytes() == before


def damage(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(40 * 4096)
        file.write(os.urandom(200 * 4096))


async def test_a_damaged_page_fails_the_read_that_meets_it(tmp_path: Path) -> None:
    await fill(tmp_path / "journal.db", 500)
    damage(tmp_path / "journal.db")
    log = SqliteLog(tmp_path / "journal.db")
    await log.open()
    with pytest.raises(JournalFailed) as failure:
        _ = [batch async for batch in log.replay(1)]
    assert failure.value.reason == "CORRUPT"
    await log.close()


async def test_a_journal_of_a_newer_kernel(tmp_path: Path) -> None:
    await fill(tmp_path / "journal.db")
    with closing(sqlite3.connect(tmp_path / "journal.db")) as newer:
        newer.execute("PRAGMA user_version = 99")
    with pytest.raises(JournalTooNew) as refusal:
        await SqliteLog(tmp_path / "journal.db").open()
    assert (refusal.value.found, refusal.value.supported) == (99, len(schema.MIGRATIONS))
    assert "99" in str(refusal.value)


async def test_a_full_journal_refuses_all_that_is_in_flight_and_recovers(tmp_path: Path) -> None:
    log = SqliteLog(tmp_path / "journal.db", max_bytes=1_000_000)
    await log.open()
    await log.commit([BIG] * 5, [Put("box", "x", b"1")], 1.0)
    groups = [[SMALL], [BIG] * 20, [SMALL], [SMALL]]
    results = await asyncio.gather(*[log.commit(g, [], 1.0) for g in groups], return_exceptions=True)
    assert isinstance(results[0], list)
    for failure in results[1:]:  # the small ones would fit, but may not overtake what was lost
        assert isinstance(failure, JournalFailed)
        assert (failure.reason, failure.retryable) == ("DISK_FULL", True)
    assert (await log.commit([SMALL], [], 1.0))[0].sequence == 7
    assert await log.trim(6) == 5
    assert (await log.commit([BIG] * 5, [], 1.0))[0].sequence == 8
    assert await log.get("box", "x") is not None
    await log.close()


async def test_a_backup_is_a_journal_of_its_own_and_never_overwrites(tmp_path: Path) -> None:
    log = SqliteLog(tmp_path / "journal.db")
    found = await log.open()
    await log.commit([SMALL, SMALL], [], 1.0)
    await log.backup(tmp_path / "copy.db")
    with pytest.raises(JournalFailed) as failure:
        await log.backup(tmp_path / "copy.db")
    assert failure.value.reason == "BACKUP_EXISTS"
    await log.commit([SMALL], [], 1.0)
    await log.close()
    copy = SqliteLog(tmp_path / "copy.db")
    restored = await copy.open()
    assert (restored.identity, restored.last_sequence) == (found.identity, 2)
    await copy.close()
    with closing(sqlite3.connect(tmp_path / "copy.db")) as file:
        assert file.execute("PRAGMA auto_vacuum").fetchone() == (2,)


async def test_the_files_are_readable_by_their_owner_only(tmp_path: Path) -> None:
    log = SqliteLog(tmp_path / "journal.db")
    await log.open()
    await log.commit([SMALL], [], 1.0)
    assert {file.stat().st_mode & 0o077 for file in tmp_path.iterdir()} == {0}
    await log.close()


async def test_trimming_gives_space_back_to_the_disk(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    log = SqliteLog(path)
    await log.open()
    for _ in range(60):
        await log.commit([Unit((Record(1, "r", bytes(4_000)),) * 200)], [], 1.0)
    await log.trim(12_000)
    await log.close()
    with closing(sqlite3.connect(path)) as file:
        pages, free = (
            int(file.execute(f"PRAGMA {name}").fetchone()[0]) for name in ("page_count", "freelist_count")
        )
    assert free < pages < 8_000


async def test_migrations_run_forward_after_a_backup_and_stand_or_fall_together(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    await fill(path)

    def add(connection: sqlite3.Connection) -> None:
        connection.execute("CREATE TABLE added (x)")

    def fail(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO missing VALUES (1)")

    with closing(sqlite3.connect(path, isolation_level=None)) as file:
        with pytest.raises(sqlite3.OperationalError):
            schema.prepare(file, str(path), (*schema.MIGRATIONS, add, fail))
        assert file.execute("PRAGMA user_version").fetchone() == (1,)
        assert file.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'added'").fetchone() == (0,)
        assert schema.prepare(file, str(path), (*schema.MIGRATIONS, add)) == 2
        file.execute("SELECT * FROM added")
    with closing(sqlite3.connect(f"{path}.v1.backup")) as backup:
        assert backup.execute("SELECT count(*) FROM log").fetchone() == (1,)
        assert backup.execute("PRAGMA user_version").fetchone() == (1,)
    with pytest.raises(JournalTooNew):
        await SqliteLog(path).open()


async def test_what_was_erased_is_not_in_the_files_any_more(tmp_path: Path) -> None:
    log = SqliteLog(tmp_path / "journal.db")
    await log.open()
    words = [f"a word of {name} that nobody may find" for name in ("ann", "bob")]
    records = tuple(Record(1, word, word.encode() * 20) for word in words)
    await log.commit([Unit(records)], [Put("box", word, word.encode() * 90) for word in words], 1.0)
    assert log.size() > 0
    await log.erase([words[0]], [("box", words[0])])
    found = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert words[0].encode() not in found
    assert words[1].encode() in found
    await log.close()
