"""How cost grows: plugins, bots, busy lanes, observers and journaled events, each against the small set of the same run.

python -m tests.bench.scale [--quick] [--only NAME] [--json FILE]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from jackfield.v1 import event_pb2, router_pb2
from jackfield_kernel.bus import ledger
from jackfield_kernel.bus.model import Delivery, Run
from jackfield_kernel.bus.replay import LOW_BUCKET, LOW_KEY
from jackfield_kernel.journal.log import Put, Unit
from jackfield_kernel.journal.sqlite.driver import SqliteLog
from jackfield_kernel.routing.tables import FILE, RouteTables

from . import tree

HERE = Path(__file__).parent
PATIENCE = 300.0
DONE = 3
GROUP = 250


@contextmanager
def kernel(folder: Path, config: dict[str, Any]) -> Iterator[int]:
    """A kernel with this configuration; its pid."""
    (folder / "jackfield.yaml").write_text(json.dumps(config))
    program = str(Path(sys.executable).with_name("jackfield"))
    command = [program, "run", "--data", str(folder / "data"), "--config", str(folder / "jackfield.yaml")]
    process = subprocess.Popen([*command, "--log-level", "warning"], stdout=subprocess.DEVNULL)
    try:
        yield process.pid
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            tree.stop(process.pid)
            raise


def status(folder: Path) -> dict[str, Any]:
    """What `jackfield status` says; empty while nobody answers."""
    program = str(Path(sys.executable).with_name("jackfield"))
    command = [program, "status", "--data", str(folder / "data"), "--json"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE)
    said: dict[str, Any] = json.loads(answer.stdout) if answer.returncode == 0 else {}
    return said


def until(what: Callable[[], bool]) -> None:
    """Wait for something."""
    deadline = time.monotonic() + PATIENCE
    while not what():
        if time.monotonic() > deadline:
            raise SystemExit(f"nothing happened for {PATIENCE:.0f} s")
        time.sleep(0.05)


def copies(folder: Path, module: str, count: int, more: dict[str, Any]) -> dict[str, Any]:
    """So many plugins of one module, each with a manifest of its own; their configuration entries."""
    entries = {}
    for number in range(count):
        name = f"copy-{number}"
        place = folder / name
        if (source := HERE / "watcher" / module).is_dir():
            shutil.copytree(source, place / module)
        else:
            place.mkdir()
        manifest = {
            "manifest": 1,
            "name": name,
            "version": "0.1.0",
            "contract": 1,
            "kind": "handler",
            "title": name,
            "description": "One of many.",
            "run": {"python": module},
            **more,
        }
        (place / "jackfield-plugin.yaml").write_text(json.dumps(manifest))
        entries[name] = {"directory": str(place), "launcher": "preloaded"}
    return entries


def life(
    folder: Path, lanes: int, count: int, plugins: dict[str, Any] | None = None, bots: int = 0
) -> dict[str, Any]:
    """One life: start, `count` durable round trips over `lanes`, and what they took."""
    results = folder / "results.json"
    results.unlink(missing_ok=True)
    results.with_suffix(".warm").unlink(missing_ok=True)
    load = {
        "directory": str(HERE / "load"),
        "config": {"results": str(results), "count": max(1, count // 5), "steps": [lanes]},
    }
    config = {
        "discover": False,
        "metrics": {"enabled": False},
        "plugins": {"echo": {}, "load": load, **(plugins or {})},
        "bots": {f"idle-{number}": {"adapter": "load"} for number in range(bots)},
        "routes": {"load": [{"id": "echo", "event": "message.received", "handler": "echo"}]},
    }
    started = time.perf_counter()
    with kernel(folder, config) as pid:
        until(lambda: bool(status(folder)))
        answering = time.perf_counter() - started
        wanted = 2 + len(plugins or {})
        until(lambda: _active(status(folder)) >= wanted)
        ready = time.perf_counter() - started
        until(results.with_suffix(".warm").exists)
        before = tree.cpu_seconds(pid)
        until(results.exists)
        cpu = tree.cpu_by_name(pid, before)
        (step,) = json.loads(results.read_text())
        thousands = step["round_trips"] / 1000
        return {
            "answering_s": answering,
            "ready_s": ready,
            "per_second": step["per_second"],
            "kernel_cpu_per_1000": cpu["kernel"] / thousands,
            "cpu_per_1000": sum(cpu.values()) / thousands,
            "kernel_pss_mib": tree.pss_mib(pid)["kernel"],
        }


def _active(said: dict[str, Any]) -> int:
    return sum(1 for plugin in said.get("plugins", []) if plugin.get("state", "").endswith("ACTIVE"))


async def fill(path: Path, events: int) -> None:
    """A journal with so many settled events, as a kernel would have written them."""
    rule = router_pb2.Rule(id="echo", event="*", handler="echo")
    routes = RouteTables()
    routes.push(router_pb2.RouteTable(bot="load", rules=[rule]), source=FILE)
    driver = SqliteLog(path)
    info = await driver.open()
    now = info.journal_time or time.time()
    try:
        for start in range(0, events, GROUP):
            units = [
                _settled(number, routes, rule, now) for number in range(start, min(events, start + GROUP))
            ]
            outcomes = await driver.commit(units, [], now)
            low = str(outcomes[-1].sequence).encode()
            await driver.commit([], [Put(LOW_BUCKET, LOW_KEY, low)], now)
    finally:
        await driver.close()


def _settled(number: int, routes: RouteTables, rule: router_pb2.Rule, now: float) -> Unit:
    event = event_pb2.Event(id=f"fill-{number}", type="message.received", bot="load")
    event.chat.id, event.chat.type = f"c{number % 1000}", 1
    event.message_received.message.segments.add().text.text = "hello"
    decision = routes.decide(event)
    body = getattr(decision, "body", b"")
    lane = ledger.lane_of(event)
    run = Run(event, lane, 0, now, "load", (rule,))
    outcome = ledger.state_record(Delivery(run, rule), DONE, now)
    records = (*ledger.accepted_records(event, "load", lane, now, body), outcome)
    return Unit(records, ledger.claims(event, "", 0.0, now))


def parts(quick: bool) -> dict[str, Callable[[Path], dict[str, Any]]]:
    """Every dimension, by name; the first is what the others are compared with."""
    count = 6_000 if quick else 30_000
    many = 20 if quick else 98
    watching = {"observes": ["message.*"], "grants": ["observe:message.*"]}

    def journaled(folder: Path) -> dict[str, Any]:
        events = 50_000 if quick else 1_000_000
        (folder / "data").mkdir(mode=0o700)
        asyncio.run(fill(folder / "data" / "journal.db", events))
        return {"events": events, **life(folder, 1000, count)}

    def observed(folder: Path) -> dict[str, Any]:
        return life(folder, 1000, count // 3, copies(folder, "jackfield_watcher", many, watching))

    return {
        "small": lambda folder: life(folder, 1000, count),
        "lanes": lambda folder: life(folder, 2_000 if quick else 10_000, count),
        "plugins": lambda folder: life(folder, 1000, count, copies(folder, "jackfield_echo", many, {})),
        "both": lambda folder: life(
            folder, 2_000 if quick else 10_000, count, copies(folder, "jackfield_echo", many, {})
        ),
        "bots": lambda folder: life(folder, 1000, count, bots=100 if quick else 1000),
        "observers": observed,
        "events": journaled,
    }


def run(quick: bool, only: Sequence[str] = ()) -> dict[str, Any]:
    """The small set, then every dimension, or those of `only`; a line for each."""
    results: dict[str, Any] = {}
    for name, measure in parts(quick).items():
        if only and name not in (*only, "small"):
            continue
        with tempfile.TemporaryDirectory() as folder:
            at = results[name] = measure(Path(folder))
        at["growth"] = at["kernel_cpu_per_1000"] / results["small"]["kernel_cpu_per_1000"]
        print(
            f"{name:<10} answers after {at['answering_s']:5.2f} s, all active after {at['ready_s']:6.2f} s,"
            f" {at['per_second']:6.0f}/s, kernel {at['kernel_cpu_per_1000']:.3f} s per 1,000 ({at['growth']:.2f} x),"
            f" {at['kernel_pss_mib']:4.0f} MiB",
            flush=True,
        )
    return results


def main() -> None:
    """Print a table of growth, write the file."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.scale", description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--only", action="append", choices=sorted(parts(True)))
    chosen = parser.parse_args()
    results = run(chosen.quick, chosen.only or ())
    if chosen.json:
        chosen.json.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
