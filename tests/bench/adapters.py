"""What each adapter costs: start, memory, latency and CPU of its own process between its local platform and a fake kernel.

python -m tests.bench.adapters [--count 200] [--only NAME] [--json FILE]
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import json
import statistics
import time
from pathlib import Path
from typing import Any

import psutil
from jackfield_sdk.conformance.declared import read
from jackfield_sdk.conformance.stage import Stage, staged

ROOT = Path(__file__).parents[2]
NAMES = sorted(path.parent.name for path in (ROOT / "adapters-plugins").glob("*/pyproject.toml"))
IDLE_SECONDS = 1.0
SMAPS = "/proc/{pid}/smaps_rollup"


async def measure(name: str, count: int) -> dict[str, float]:
    """One adapter's figures. Seconds, MiB, milliseconds."""
    fixture = importlib.import_module(f"tests.platforms.{name}.fixture")
    started = time.perf_counter()
    async with staged(read(ROOT / "adapters-plugins" / name), fixture.create()) as stage:
        ready = time.perf_counter() - started
        await asyncio.sleep(IDLE_SECONDS)
        process = psutil.Process(stage.process.pid)
        idle = pss_mib(process.pid)
        await talk(stage, "warm", 20)
        before = process.cpu_times()
        inward, outward = await talk(stage, "said", count)
        after = process.cpu_times()
        cpu = after.user + after.system - before.user - before.system
        return {
            "ready_s": ready,
            "pss_idle_mib": idle,
            "pss_after_mib": pss_mib(process.pid),
            "in_p50_ms": 1000 * statistics.median(inward),
            "out_p50_ms": 1000 * statistics.median(outward),
            "cpu_seconds_per_1000": 1000 * cpu / count,
        }


async def talk(stage: Stage, word: str, count: int) -> tuple[list[float], list[float]]:
    """Seconds from the user's deed to the published event, and from the call to what the platform saw, one after another."""
    inward, outward = [], []
    for number in range(count):
        text, since = f"{word} {number}", stage.mark
        started = time.perf_counter()
        await stage.platform.say(text)
        await stage.received(text, since)
        inward.append(time.perf_counter() - started)
        started = time.perf_counter()
        await stage.send(f"answer {text}")
        outward.append(time.perf_counter() - started)
    return inward, outward


def pss_mib(pid: int) -> float:
    """Proportional set size of a process."""
    text = Path(SMAPS.format(pid=pid)).read_text()
    return int(text.split("\nPss:", 1)[1].split(None, 1)[0]) / 1024


def line(name: str, at: dict[str, float]) -> str:
    """One row."""
    return (
        f"{name:<10} ready {at['ready_s']:5.2f} s  PSS {at['pss_idle_mib']:5.1f} MiB idle, {at['pss_after_mib']:5.1f} after"
        f"  in {at['in_p50_ms']:6.2f} ms  out {at['out_p50_ms']:6.2f} ms  CPU {at['cpu_seconds_per_1000']:5.2f} s per 1,000"
    )


def run(count: int, names: list[str]) -> dict[str, Any]:
    """All of them, one after another."""
    results = {}
    for name in names:
        results[name] = asyncio.run(measure(name, count))
        print(line(name, results[name]), flush=True)
    return results


def main() -> None:
    """Print lines, write the file."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.adapters", description=__doc__)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--only", action="append", choices=NAMES)
    parser.add_argument("--json", type=Path, metavar="FILE")
    chosen = parser.parse_args()
    results = run(chosen.count, chosen.only or NAMES)
    if chosen.json:
        chosen.json.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
