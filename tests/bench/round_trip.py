"""Durable round trips: adapter, kernel, handler, reply call, result, ack; every part a process of its own.

python -m tests.bench.round_trip [--count 1000] [--profile]
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from . import tree

HERE = Path(__file__).parent


def fdatasync_p50(folder: Path, rounds: int = 200) -> float:
    """Milliseconds that the disk takes for one small synced write."""
    times = []
    with (folder / "probe").open("wb") as file:
        for _ in range(rounds):
            file.write(b"x" * 512)
            file.flush()
            started = time.perf_counter()
            os.fdatasync(file.fileno())
            times.append(time.perf_counter() - started)
    return sorted(times)[rounds // 2] * 1000


def run(count: int, steps: list[int], profile: str = "") -> dict[str, Any]:
    """Start a kernel with the load plugin, the router and echo; returns the figures."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        results = folder / "results.json"
        config = {
            "discover": False,
            "metrics": {"enabled": False},
            "plugins": {
                "echo": {},
                "load": {
                    "directory": str(HERE / "load"),
                    "config": {"results": str(results), "count": count, "steps": steps},
                },
            },
            "routes": {"load": [{"id": "echo", "event": "message.received", "handler": "echo"}]},
        }
        (folder / "jackfield.yaml").write_text(json.dumps(config))
        program = str(Path(sys.executable).with_name("jackfield"))
        profiler = ["-m", "cProfile", "-o", profile] if profile else []
        command = [sys.executable, *profiler, program, "run", "--data", str(folder / "data")]
        command += ["--config", str(folder / "jackfield.yaml"), "--log-level", "warning"]
        kernel = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            _wait_for(results.with_suffix(".warm"), kernel)
            before = tree.cpu_seconds(kernel.pid)
            _wait_for(results, kernel)
            figures = json.loads(results.read_text())
            spent = tree.cpu_by_name(kernel.pid, before)
        finally:
            kernel.send_signal(signal.SIGINT)
            kernel.wait(20)
        thousands = sum(step["round_trips"] for step in figures) / 1000
        cpu = {name: seconds / thousands for name, seconds in spent.items()}
        return {"fdatasync_p50_ms": fdatasync_p50(folder), "steps": figures, "cpu_seconds_per_1000": cpu}


def _wait_for(path: Path, kernel: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 300
    while not path.exists():
        if kernel.poll() is not None or time.monotonic() > deadline:
            raise SystemExit(f"the kernel ended: {kernel.poll()}")
        time.sleep(0.05)


def main() -> None:
    """Print a table, then JSON."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--count", type=int, default=1000)
    arguments.add_argument("--steps", type=int, nargs="*", default=[1, 64, 1000])
    arguments.add_argument("--profile", default="", help="write a cProfile of the kernel there")
    chosen = arguments.parse_args()
    figures = run(chosen.count, chosen.steps, chosen.profile)
    print(f"fdatasync p50 {figures['fdatasync_p50_ms']:.2f} ms")
    for step in figures["steps"]:
        print(
            f"{step['lanes']:>5} lanes  {step['per_second']:>8.0f}/s  "
            f"p50 {step['p50_ms']:6.2f} ms  p99 {step['p99_ms']:6.2f} ms"
        )
    cpu = figures["cpu_seconds_per_1000"]
    print(
        f"CPU seconds per 1,000: {sum(cpu.values()):.2f}",
        *(f"{name} {seconds:.2f}" for name, seconds in cpu.items()),
    )
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
