"""What the journal costs: units per second and commit latency by group size, beside the disk's own sync.

Run: `python tests/bench/log.py [--seconds 2] [--folder DIR] [--memory]`, with the kernel on the path.
A unit here is an event as the bus writes it: two records of 300 bytes and one claim.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import tempfile
import time
import uuid
from collections import deque
from pathlib import Path

from jackfield_kernel.bus.log import Claim, LogDriver, Put, Record, Unit
from jackfield_kernel.bus.memory import MemoryLog
from jackfield_kernel.bus.sqlite.driver import SqliteLog

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


def unit() -> Unit:
    event = uuid.uuid4().hex
    return Unit((Record(1, event, BODY), Record(2, event, BODY)), (Claim(event, 86_400.0),))


async def measure(log: LogDriver, size: int, seconds: float, in_flight: int) -> tuple[float, list[float]]:
    """Units per second, and the latency of each commit, with `in_flight` groups under way."""
    groups: deque[list[Unit]] = deque([unit() for _ in range(size)] for _ in range(16))
    latencies: list[float] = []
    started = time.perf_counter()

    async def worker() -> None:
        while (now := time.perf_counter()) - started < seconds:
            group = groups.popleft() if groups else [unit() for _ in range(size)]
            now = time.perf_counter()
            await log.commit(group, [Put("cursor", "adapter", b"1")], now)
            latencies.append(time.perf_counter() - now)

    async with asyncio.TaskGroup() as tasks:
        for _ in range(in_flight):
            tasks.create_task(worker())
    return len(latencies) * size / (time.perf_counter() - started), latencies


async def busy(log: LogDriver, seconds: float) -> list[float]:
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
    return (await measure(log, 1, seconds, 1))[1]


def line(name: str, rate: str, taken: list[float]) -> str:
    ordered = sorted(taken)
    p50, p99 = statistics.median(ordered) * 1e3, ordered[int(len(ordered) * 0.99)] * 1e3
    return f"{name:<28}{rate:>12}{p50:>10.2f}{p99:>10.2f}{ordered[-1] * 1e3:>10.2f}"


async def run(folder: Path, seconds: float, memory: bool) -> None:
    print(f"{'':<28}{'units/s':>12}{'p50 ms':>10}{'p99 ms':>10}{'max ms':>10}")
    print(line("disk: fdatasync of 4 KiB", "", sync_seconds(folder)))
    log: LogDriver = MemoryLog() if memory else SqliteLog(folder / "journal.db")
    started = time.perf_counter()
    await log.open()
    print(f"{'open':<28}{'':>12}{(time.perf_counter() - started) * 1e3:>10.2f}")
    for size in SIZES:
        for in_flight in (1, IN_FLIGHT):
            rate, taken = await measure(log, size, seconds, in_flight)
            print(line(f"group of {size}, {in_flight} in flight", f"{rate:,.0f}", taken))
    print(line("group of 1, loop 100 % busy", "", await busy(log, seconds)))
    started, count = time.perf_counter(), 0
    async for batch in log.replay(1):
        count += len(batch)
    print(f"replay: {count / (time.perf_counter() - started):,.0f} records/s of {count:,}")
    await log.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--folder", type=Path, default=None, help="on the disk to measure; default a temporary one")
    parser.add_argument("--memory", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        asyncio.run(run(Path(folder), options.seconds, options.memory))


if __name__ == "__main__":
    main()
