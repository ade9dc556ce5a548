"""All benchmarks in one run, with the budgets beside the figures.

python -m tests.bench [--quick] [--json FILE] [--only round_trip|onebot|agent|start|adapters|scale|log]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jackfield_kernel.journal.sqlite.driver import SqliteLog

from . import adapters, agent, log, onebot, round_trip, scale, start
from .budgets import table


async def _journal(seconds: float) -> dict[str, Any]:
    """Units per second and commit latency by group size."""
    units = log.Units(True)
    with tempfile.TemporaryDirectory() as folder:
        driver = SqliteLog(Path(folder) / "journal.db")
        await driver.open()
        try:
            figures = {}
            for size in log.SIZES:
                rate, taken = await log.measure(driver, units, size, seconds, log.IN_FLIGHT)
                middle = sorted(taken)[len(taken) // 2]
                figures[f"group_of_{size}"] = {"units_per_second": rate, "p50_ms": 1000 * middle}
            return figures
        finally:
            await driver.close()


def parts(quick: bool) -> dict[str, Callable[[], dict[str, Any]]]:
    """What can be run, by name."""
    return {
        "round_trip": lambda: round_trip.run(200 if quick else 600, [1, 64, 1000]),
        "onebot": lambda: onebot.run(500 if quick else 2000),
        "agent": lambda: agent.run(30 if quick else 200),
        "start": lambda: start.run(1 if quick else 3),
        "adapters": lambda: adapters.run(50 if quick else 300, adapters.NAMES),
        "scale": lambda: scale.run(quick),
        "log": lambda: asyncio.run(_journal(0.3 if quick else 1.0)),
    }


def main() -> None:
    """Run, print the table, write the file."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer messages; for a look, not for a page")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--only", action="append", choices=sorted(parts(True)))
    chosen = parser.parse_args()
    machine = {
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "system": platform.system(),
        "load_before": os.getloadavg()[0],
    }
    results: dict[str, Any] = {"machine": machine}
    for name, run in parts(chosen.quick).items():
        if not chosen.only or name in chosen.only:
            print(f"{name} ...", flush=True)
            results[name] = run()
    print(json.dumps(machine))
    print(table(results))
    for size, at in results.get("log", {}).items():
        rate, p50 = at["units_per_second"], at["p50_ms"]
        print(f"journal, {size.replace('_', ' ')}: {rate:,.0f} units/s, p50 {p50:.2f} ms")
    if chosen.json:
        chosen.json.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
