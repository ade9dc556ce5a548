"""A journal that was cut, damaged, or written by another time: each says what it is, and what to do."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from jackfield.v1 import admin_pb2, frame_pb2
from jackfield_kernel.journal.errors import JournalFailed

from tests.rig.kernel import Rig, adapter_manifest, handler_manifest, routes, rule, running
from tests.rig.raw import message_event

pytestmark = pytest.mark.integration

CONFIG = {"routes": routes(b=[rule()])}
EVENTS = 10


@pytest.fixture
async def cut(tmp_path: Path) -> Path:
    """Files of a journal as a machine leaves them that lost power: the newest events stand in the write-ahead log alone."""
    target = tmp_path / "cut" / "data"
    target.mkdir(parents=True)
    async with running(tmp_path / "k", config=CONFIG) as rig:
        adapter = await rig.adapter()
        with closing(sqlite3.connect(rig.data.journal, isolation_level=None)) as reader:
            # While somebody reads, nothing is moved from the log into the file.
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM log").fetchone()
            for number in range(EVENTS):
                await adapter.publish(message_event("b", str(number)))
                await adapter.durable()
            for name in ("journal.db", "journal.db-wal"):
                shutil.copy(rig.data.root / name, target / name)
    return target


async def attached(rig: Rig) -> int:
    """An adapter that was told of all events attaches; how many the kernel had committed before it knew that."""
    adapter = await rig.plugin(adapter_manifest(), ready=False)
    committed = adapter.attached.committed_sequence
    await adapter.close()
    await adapter.connect(attach=frame_pb2.Attach(acknowledged_sequence=EVENTS, open_bots=["b"]))
    return int(committed)


async def texts(rig: Rig) -> set[str]:
    return {one.text for one in (await rig.admin.ListEvents(admin_pb2.ListEventsRequest())).events}


async def test_a_log_cut_behind_the_last_acknowledged_commit_loses_nothing(cut: Path) -> None:
    with (cut / "journal.db-wal").open("ab") as wal:
        wal.write(b"half a frame" * 100)
    async with running(cut.parent, config=CONFIG) as rig:
        assert await attached(rig) == EVENTS
        assert await texts(rig) == set(map(str, range(EVENTS)))
        assert "LOST_TAIL" not in {one.reason for one in (await rig.status()).problems}


async def test_a_log_cut_before_it_says_lost_tail(cut: Path) -> None:
    wal = cut / "journal.db-wal"
    with wal.open("r+b") as file:
        file.truncate(wal.stat().st_size * 2 // 3)
    async with running(cut.parent, config=CONFIG) as rig:
        committed = await attached(rig)
        assert 0 < committed < EVENTS
        assert await texts(rig) == set(map(str, range(committed)))
        assert (await rig.status()).problems[0].reason == "LOST_TAIL"


def reasons(error: BaseException) -> list[str]:
    if isinstance(error, BaseExceptionGroup):
        return [reason for one in error.exceptions for reason in reasons(one)]
    assert isinstance(error, JournalFailed)
    assert error.remedy
    return [error.reason]


async def test_a_row_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    async with running(tmp_path, config=CONFIG) as rig:
        adapter = await rig.adapter()
        await adapter.publish(message_event("b", "x"))
        await adapter.durable()
    with closing(sqlite3.connect(tmp_path / "data" / "journal.db")) as file:
        file.execute("UPDATE log SET body = x'0affffffff' WHERE kind = 1")
        file.commit()
    with pytest.raises((JournalFailed, BaseExceptionGroup)) as failure:
        async with running(tmp_path, config=CONFIG):
            pass
    assert reasons(failure.value) == ["CORRUPT"]


async def test_a_clock_that_stands_behind_the_journal_is_said_and_changes_no_age(tmp_path: Path) -> None:
    async with running(tmp_path, config=CONFIG) as rig:
        adapter, handler = await rig.adapter(), await rig.plugin(handler_manifest())
        await adapter.publish(message_event("b", "x"))
        await handler.delivery()
    with closing(sqlite3.connect(tmp_path / "data" / "journal.db")) as file:
        file.execute("UPDATE head SET wall = wall + 3 * 86400")
        file.commit()
    async with running(tmp_path, config=CONFIG) as rig:
        problem = (await rig.status()).problems[0]
        assert (problem.reason, problem.metadata["seconds"][:3]) == ("CLOCK_BEHIND", "259")
        handler = await rig.plugin(handler_manifest())
        await handler.done(await handler.delivery())
        await rig.until(lambda status: status.bus.done == 1 and status.bus.dead == 0)
