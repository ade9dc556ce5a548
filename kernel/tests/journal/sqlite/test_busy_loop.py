"""The writer progresses while the kernel's event loop has no time to spare."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest
from jackfield_kernel.journal.log import Record, Unit
from jackfield_kernel.journal.sqlite.driver import SqliteLog

SLICE = 0.001
COMMITS = 100
ROUNDS = 8
LIMIT = 10
UNIT = [Unit((Record(1, "r", b"x" * 300), Record(2, "r", b"x" * 300)))]


class Load:
    """Callbacks of SLICE seconds each, one after the other, so that the loop never waits."""

    def __init__(self) -> None:
        self.turns = 0
        self._stopped = False

    def burn(self) -> None:
        until = time.perf_counter() + SLICE
        while time.perf_counter() < until:
            pass
        self.turns += 1
        if not self._stopped:
            asyncio.get_running_loop().call_soon(self.burn)

    def stop(self) -> None:
        self._stopped = True


async def slowest_of_a_hundred(log: SqliteLog, load: Load) -> float:
    """The p99 of COMMITS commits in turns of the loop, less what the storage itself took for each."""
    waited = []
    for _ in range(COMMITS):
        before = load.turns
        await log.commit(UNIT, [], 1.0)
        waited.append(load.turns - before - log.pending().commit_seconds / SLICE)
    return sorted(waited)[int(COMMITS * 0.99) - 1]


@pytest.mark.integration
async def test_commits_go_on_while_the_loop_is_saturated(tmp_path: Path) -> None:
    """A p99 of at most 10 turns, which are 10 ms of load, in the best of some rounds.

    Other programs on the machine only add to it, so one good round shows the design; a writer that waits for
    the kernel's interpreter needs hundreds of turns in each.
    """
    log = SqliteLog(tmp_path / "journal.db")
    await log.open()
    load = Load()
    asyncio.get_running_loop().call_soon(load.burn)
    rounds: list[float] = []
    while len(rounds) < ROUNDS and min(rounds, default=LIMIT + 1) > LIMIT:
        rounds.append(await slowest_of_a_hundred(log, load))
    load.stop()
    await log.close()
    assert min(rounds) <= LIMIT
