"""Any sequence of groups: the drivers on disk and in memory agree, outcome by outcome and entry by entry."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jackfield_kernel.journal.log import Check, Claim, Entry, LogDriver, Outcome, Put, Record, Stored, Unit
from jackfield_kernel.journal.memory import MemoryLog
from jackfield_kernel.journal.sqlite.driver import SqliteLog

Group = tuple[list[Unit], list[Put], float]
Trace = tuple[list[list[Outcome]], list[Stored], list[tuple[str, Entry]], float]

keys = st.sampled_from(["a", "b", "c"])
times = st.integers(0, 12).map(float)
records = st.builds(Record, st.integers(0, 3), keys, st.binary(max_size=3))
claims = st.builds(Claim, keys, times)
checks = st.builds(Check, st.just("box"), keys, st.integers(0, 6))
puts = st.builds(Put, st.just("box"), keys, st.none() | st.binary(max_size=3), times)


def few(element: st.SearchStrategy[object], most: int = 2) -> st.SearchStrategy[tuple[object, ...]]:
    return st.lists(element, max_size=most).map(tuple)


units = st.builds(Unit, few(records), few(claims), few(checks, 1), few(puts))
groups = st.lists(st.tuples(st.lists(units, max_size=4), st.lists(puts, max_size=2), times), max_size=8)


async def trace(log: LogDriver, history: list[Group], reopen_after: int) -> Trace:
    await log.open()
    outcomes = []
    for number, (group, group_puts, time) in enumerate(history):
        outcomes.append(await log.commit(group, group_puts, time))
        if number == reopen_after:
            await log.close()
            await log.open()
    stored = [stored async for batch in log.replay(1) for stored in batch]
    entries = await log.entries("box")
    await log.close()
    journal_time = (await log.open()).journal_time
    await log.close()
    return outcomes, stored, entries, journal_time


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(groups, st.integers(0, 8))
def test_drivers_agree(history: list[Group], reopen_after: int) -> None:
    async def both() -> tuple[Trace, Trace]:
        with tempfile.TemporaryDirectory() as folder:
            on_disk = SqliteLog(Path(folder) / "journal.db")
            return (
                await trace(on_disk, history, reopen_after),
                await trace(MemoryLog(), history, reopen_after),
            )

    on_disk, in_memory = asyncio.run(both())
    assert on_disk == in_memory
