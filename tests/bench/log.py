"""What the journal costs: units per second and commit latency by group size, beside the disk's own sync.

Run: `python tests/bench/log.py [--seconds 2] [--folder DIR] [--memory]`, with the kernel on the path. A unit
here is an event as the bus writes it: two records of 300 bytes and one claim, under an id that begins with
its time (as event ids do) or, with `--random`, under a random one, which is the worst case for the storage.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import tempfile
import time
from pathlib import Path

from jackfield_kernel.journal.log import Claim, LogDriver, Put, Record, Unit
from jackfield_kernel.journal.memory import MemoryLog
from jackfield_kernel.journal.sqlite.driver import SqliteLog

BODY = os.urandom(300)
SIZES = (1, 8, 64, 256)
IN_FLIGHT = 2


def sync_seconds(folder: Path, rounds: int = 200) -> list[float]:
    """How long the disk needs to make 4 KiB durable."""
    taken = []
    sync = getattr(os, "fdatasync", os.fsync)
    with open(folder / "sync", "wb", buffering=0) as file:
        for _ in range(rounds):
            file.write(BODY * 14)
            started = time.perf_counter()
            sync(file.fileno())
            taken.append(time.perf_counter() - started)
    return taken


class Units:
    """Makes units; `ordered` ids begin with their time, as UUIDv7 do."""

    def __init__(self, ordered: bool) -> None:
        self._ordered = ordered

    def group(self, size: int) -> list[Unit]:
        units = []
        for _ in range(size):
            noise = os.urandom(16).hex()
            event = f"{time.time_ns():016x}{noise[16:]}" if self._ordered else noise
            records = (Record(1, event, BODY), Record(2, event, BODY))
            units.append(Unit(records, (Claim(event, time.perf_counter() + 86_400.0),)))
        return units


async def measure(
    log: LogDriver, units: Units, size: int, seconds: float, in_flight: int
) -> tuple[float, list[float]]:
    """Units per second, and the latency of each commit, with `in_flight` groups under way."""
    latencies: list[float] = []
    started = time.perf_counter()

    async def worker() -> None:
        while time.perf_counter() - started < seconds:
            group = units.group(size)
            now = time.perf_counter()
            await log.commit(group, [Put("cursor", "adapter", b"1")], now)
            latencies.append(time.perf_counter() - now)

    async with asyncio.TaskGroup() as tasks:
        for _ in range(in_flight):
            tasks.create_task(worker())
    return len(latencies) * size / (time.perf_counter() - started), latencies


async def busy(log: LogDriver, units: Units, seconds: float) -> list[float]:
    """Commit latencies while callbacks of a millisecond each keep the loop 100 % busy."""
    loop = asyncio.get_running_loop()
    until = time.perf_counter() + seconds

    def burn() -> None:
        end = time.perf_counter() + 0.001
        while time.perf_counter() < end:
            pass
        if end < until:
            loop.call_soon(burn)

    loop.call_soon(burn)
    return (await measure(log, units, 1, seconds, 1))[1]


def line(name: str, rate: str, taken: list[float]) -> str:
    ordered = sorted(taken)
    p50, p99 = statistics.median(ordered) * 1e3, ordered[int(len(ordered) * 0.99)] * 1e3
    return f"{name:<28}{rate:>12}{p50:>10.2f}{p99:>10.2f}{ordered[-1] * 1e3:>10.2f}"


async def run(folder: Path, seconds: float, memory: bool, units: Units) -> None:
    print(f"{'':<28}{'units/s':>12}{'p50 ms':>10}{'p99 ms':>10}{'max ms':>10}")
    print(line("disk: fdatasync of 4 KiB", "", sync_seconds(folder)))
    log: LogDriver = MemoryLog() if memory else SqliteLog(folder / "journal.db")
    started = time.perf_counter()
    await log.open()
    print(f"{'open':<28}{'':>12}{(time.perf_counter() - started) * 1e3:>10.2f}")
    for size in SIZES:
        for in_flight in (1, IN_FLIGHT):
            rate, taken = await measure(log, units, size, seconds, in_flight)
            print(line(f"group of {size}, {in_flight} in flight", f"{rate:,.0f}", taken))
    print(line("group of 1, loop 100 % busy", "", await busy(log, units, seconds)))
    started, count = time.perf_counter(), 0
    async for batch in log.replay(1):
        count += len(batch)
    print(f"replay: {count / (time.perf_counter() - started):,.0f} records/s of {count:,}")
    await log.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument(
        "--folder", type=Path, default=None, help="on the disk to measure; default a temporary one"
    )
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--random", action="store_true", help="random ids instead of ordered ones")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        asyncio.run(run(Path(folder), options.seconds, options.memory, Units(not options.random)))


if __name__ == "__main__":
    main()
