"""Journals for the tests of the bus."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from jackfield_kernel.journal.log import LogDriver
from jackfield_kernel.journal.memory import MemoryLog
from jackfield_kernel.journal.sqlite.driver import SqliteLog


@pytest.fixture(params=["sqlite", "memory"])
async def journal(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[LogDriver]:
    """One driver after the other, not opened, closed afterwards."""
    driver: LogDriver = SqliteLog(tmp_path / "journal.db") if request.param == "sqlite" else MemoryLog()
    yield driver
    await driver.close()


@pytest.fixture
async def log(journal: LogDriver) -> LogDriver:
    """The same, open."""
    await journal.open()
    return journal
