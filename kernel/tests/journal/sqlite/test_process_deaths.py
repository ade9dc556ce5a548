"""Kill -9 of the kernel or its writer: nothing acknowledged is lost, nothing hangs, the next takes over."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from jackfield_kernel.journal.errors import Fenced, JournalLocked
from jackfield_kernel.journal.log import Record, Unit
from jackfield_kernel.journal.sqlite.driver import SqliteLog

KERNEL = """
import asyncio, sys
from pathlib import Path
from jackfield_kernel.journal.log import Record, Unit
from jackfield_kernel.journal.sqlite.driver import SqliteLog

async def commit(log):
    outcome, = await log.commit([Unit((Record(1, "r", b"x" * 200),) * 3)], [], 1.0)
    print(outcome.sequence + 2, flush=True)

async def main():
    log = SqliteLog(Path(sys.argv[1]))
    await log.open()
    print("open", flush=True)
    while sys.argv[2] == "commit":
        await asyncio.gather(*[commit(log) for _ in range(4)])
    await asyncio.Event().wait()

asyncio.run(main())
"""


@contextmanager
def kernel(path: Path, verb: str) -> Iterator[subprocess.Popen[str]]:
    """A process that holds the journal and prints "open", then the last sequence of each commit."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", KERNEL, str(path), verb]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        try:
            yield process
        finally:
            process.kill()


def writer() -> psutil.Process:
    """The writer process of the journal that this test opened."""
    (child,) = psutil.Process().children()
    return child


@pytest.fixture
async def log(tmp_path: Path) -> AsyncIterator[SqliteLog]:
    driver = SqliteLog(tmp_path / "journal.db")
    await driver.open()
    yield driver
    await driver.close()


async def commit(log: SqliteLog, ref: str) -> int:
    return (await log.commit([Unit((Record(1, ref, b""),))], [], 1.0))[0].sequence


@pytest.mark.chaos
@pytest.mark.parametrize("acknowledged", [1, 40, 400])
async def test_kill_of_the_kernel_loses_no_acknowledged_commit(tmp_path: Path, acknowledged: int) -> None:
    path = tmp_path / "journal.db"
    with kernel(path, "commit") as process:
        assert process.stdout is not None
        last = [process.stdout.readline() for _ in range(acknowledged)][-1]
        process.kill()
        rest = process.stdout.read().splitlines(keepends=True)
        last = next((line for line in reversed(rest) if line.endswith("\n")), last)
    log = SqliteLog(path)
    found = await log.open()  # waits for the dying writer's lock
    sequences = [stored.sequence async for batch in log.replay(1) for stored in batch]
    await log.close()
    assert found.boot == 2
    assert found.last_sequence >= int(last)
    assert sequences == list(range(1, found.last_sequence + 1))
    assert found.last_sequence % 3 == 0


@pytest.mark.chaos
async def test_kill_of_the_writer_loses_nothing_and_writes_nothing_twice(log: SqliteLog) -> None:
    assert await commit(log, "kept") == 1
    os.kill(writer().pid, signal.SIGSTOP)
    waiting = [asyncio.create_task(commit(log, f"in flight {n}")) for n in range(3)]
    await asyncio.sleep(0)
    assert log.pending().groups == 3
    assert log.pending().oldest_seconds >= 0
    os.kill(writer().pid, signal.SIGKILL)
    assert [await task for task in waiting] == [2, 3, 4]
    assert await commit(log, "later") == 5


@pytest.mark.chaos
async def test_kills_at_any_moment_leave_each_group_exactly_once(log: SqliteLog) -> None:
    async def killer() -> None:
        for pause in (0.0, 0.001, 0.003, 0.01, 0.02):
            await asyncio.sleep(pause)
            with contextlib.suppress(
                ValueError, ProcessLookupError, psutil.NoSuchProcess
            ):  # between two writers
                os.kill(writer().pid, signal.SIGKILL)

    killing = asyncio.create_task(killer())
    sequences = [await commit(log, str(number)) for number in range(300)]
    await killing
    sequences.append(await commit(log, "last"))
    assert sequences == list(range(1, 302))
    stored = [one.record.ref for one in await log.scan(limit=1_000)]
    assert stored == [*map(str, range(300)), "last"]


@pytest.mark.chaos
async def test_signals_meant_for_the_kernel_do_not_end_the_writer(log: SqliteLog) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        writer().send_signal(number)
    assert await commit(log, "a") == 1


@pytest.mark.integration
async def test_a_second_kernel_is_refused_and_told_the_pid_of_the_first(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    second = SqliteLog(path)
    with kernel(path, "hold") as first:
        with pytest.raises(JournalLocked) as refusal:
            await second.open()
        assert refusal.value.pid == first.pid
        assert str(first.pid) in str(refusal.value)
        first.kill()
        first.wait()
        assert (await second.open()).boot == 2
    await second.close()


@pytest.mark.integration
async def test_a_kernel_whose_journal_was_taken_over_is_fenced(log: SqliteLog, tmp_path: Path) -> None:
    (tmp_path / "journal.db.lock").unlink()  # what a lock on a network disk may come to
    other = SqliteLog(tmp_path / "journal.db")
    await other.open()
    with pytest.raises(Fenced):
        await commit(log, "stale")
    with pytest.raises(Fenced):
        await commit(log, "still stale")
    assert await commit(other, "a") == 1
    await other.close()


@pytest.mark.integration
def test_the_writer_starts_without_heavy_imports() -> None:
    imported = "import jackfield_kernel.journal.sqlite.writer"
    code = f"import sys; sys.path[:0] = sys.argv[1:]; {imported}; print(*sys.modules)"
    command = [sys.executable, "-I", "-S", "-c", code, *sys.path]
    loaded = set(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split())
    assert loaded.isdisjoint(
        {"asyncio", "typing", "grpc", "google.protobuf", "socket", "subprocess", "pathlib"}
    )
