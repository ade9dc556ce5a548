"""OneBot echo over real WebSockets: Jackfield out of process and durable, NoneBot2 and aiocqhttp in process.

python -m tests.bench.onebot [--count 3000] [--only jackfield|nonebot|aiocqhttp]
"""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

from . import subjects, tree
from .platform_side import connected, load

SUBJECTS = ("jackfield", "nonebot", "aiocqhttp")
PATHS = {"jackfield": "/onebot/v11/ws", "nonebot": "/onebot/v11/ws", "aiocqhttp": "/ws"}
PLUGINS = ("router", "command", "echo", "onebot")
CONNECTIONS = 50
OUTSTANDING = 64
IDLE_SECONDS = 2.0


async def measure(pid: int, url: str, count: int) -> dict[str, Any]:
    """Every load against one subject that was just started."""
    figures: dict[str, Any] = {}
    cpu: dict[str, float] = {}

    async def step(name: str, connections: int, outstanding: int, messages: int) -> None:
        async with connected(url, connections) as clients:
            await load(clients, 1, 4 * connections)
            before = tree.cpu_seconds(pid)
            run = await load(clients, outstanding, messages)
            cpu[name] = 1000 * tree.cpu_between(before, tree.cpu_seconds(pid)) / messages
        figures[name] = {**run.summary(), "cpu_seconds_per_1000": cpu[name]}

    async with connected(url) as clients:
        await load(clients, 8, 200)
    await asyncio.sleep(IDLE_SECONDS)
    figures["pss_idle_mib"] = sum(tree.pss_mib(pid).values())
    await step("one", 1, 1, max(100, count // 5))
    await step("outstanding", 1, OUTSTANDING, count)
    await step("connections", CONNECTIONS, 1, count)
    figures["pss_after"] = tree.pss_mib(pid)
    figures["pss_after_mib"] = sum(figures["pss_after"].values())
    return figures


def subject(name: str, port: int) -> AbstractContextManager[int]:
    """The started subject of that name."""
    return subjects.jackfield({"onebot": port}, PLUGINS) if name == "jackfield" else subjects.peer(name, port)


def run(count: int = 3000, names: Sequence[str] = SUBJECTS) -> dict[str, Any]:
    """All subjects, one after another on the same machine; the ratios are of this run."""
    results: dict[str, Any] = {}
    for name in names:
        port = subjects.free_port()
        with subject(name, port) as pid:
            results[name] = asyncio.run(measure(pid, f"ws://127.0.0.1:{port}{PATHS[name]}", count))
    if "jackfield" in results:
        ours = results["jackfield"]
        results["ratios"] = {
            other: {
                step: ours[step]["per_second"] / results[other][step]["per_second"]
                for step in ("one", "outstanding", "connections")
            }
            for other in results
            if other != "jackfield"
        }
    return results


def show(results: dict[str, Any]) -> None:
    """One line per subject and load."""
    for name in SUBJECTS:
        for step in ("one", "outstanding", "connections"):
            if name not in results:
                continue
            at = results[name][step]
            print(
                f"{name:<10} {step:<12} {at['per_second']:>7.0f}/s  p50 {at['p50_ms']:7.2f} ms"
                f"  p99 {at['p99_ms']:7.2f} ms  cpu {at['cpu_seconds_per_1000']:5.2f} s per 1,000"
                f"  lost {at['lost']}  wrong {at['wrong']}"
            )
        if name in results:
            at = results[name]
            print(f"{name:<10} PSS idle {at['pss_idle_mib']:.0f} MiB, after {at['pss_after_mib']:.0f} MiB")


def main() -> None:
    """Print lines, then JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=3000)
    parser.add_argument("--only", choices=SUBJECTS, action="append")
    chosen = parser.parse_args()
    results = run(chosen.count, chosen.only or SUBJECTS)
    show(results)
    print(json.dumps(results))


if __name__ == "__main__":
    main()
