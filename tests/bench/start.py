"""Cold start, memory, a killed plugin, and what an installation takes on the disk.

python -m tests.bench.start [--rounds 3]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import time
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import aiohttp
from packaging.requirements import Requirement

from . import subjects, tree
from .platform_side import REDIAL_SECONDS, Client, connected

PATIENCE = 30.0
IDLE_SECONDS = 3.0
OURS = ("protos", "kernel", "sdk", *subjects.DEFAULT_SET)
MODULES = {"protos": "jackfield"}


async def first_answer(client: Client, since: float) -> float:
    """Seconds from `since` to the first reply."""
    await client.round_trip(PATIENCE)
    return time.perf_counter() - since


async def web_answer(port: int, since: float) -> float:
    """Seconds from `since` to the first reply in the web chat."""
    url = f"http://127.0.0.1:{port}/ws?session=bench"
    deadline = time.monotonic() + PATIENCE
    async with aiohttp.ClientSession() as session:
        while True:
            try:
                socket = await session.ws_connect(url)
                break
            except aiohttp.ClientError:
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(REDIAL_SECONDS)
        async with asyncio.timeout(PATIENCE), socket:
            text = [{"type": "Plain", "text": "hello"}]
            await socket.send_json({"type": "message", "id": "c1", "message": text})
            async for frame in socket:
                if frame.json()["type"] == "response":
                    return time.perf_counter() - since
    raise ConnectionError("the web chat closed the connection")


async def killed(pid: int, client: Client, plugin: str) -> float:
    """Kills a plugin; seconds until a message sent right after is answered."""
    victim = next(process for process in tree.members(pid) if tree.name_of(process, pid) == plugin)
    started = time.perf_counter()
    victim.kill()
    return await first_answer(client, started)


async def live(pid: int, ports: dict[str, int], started: float, *, whole: bool) -> dict[str, Any]:
    """One life of the default set from its start on."""
    web = asyncio.create_task(web_answer(ports["webchat"], started))
    async with connected(f"ws://127.0.0.1:{ports['onebot']}/onebot/v11/ws") as [client]:
        onebot = await first_answer(client, started)
        figures: dict[str, Any] = {"onebot_s": onebot, "webchat_s": await web}
        if whole:
            await asyncio.sleep(IDLE_SECONDS)
            figures["pss"] = tree.pss_mib(pid)
            figures["killed_s"] = {name: await killed(pid, client, name) for name in ("echo", "router")}
    return figures


def lives(rounds: int) -> list[dict[str, Any]]:
    """A warm-up that compiles the bytecode, then `rounds` starts; the last one goes on."""
    results = []
    for number in range(rounds + 1):
        ports = {"onebot": subjects.free_port(), "webchat": subjects.free_port()}
        started = time.perf_counter()
        with subjects.jackfield(ports) as pid:
            results.append(asyncio.run(live(pid, ports, started, whole=number == rounds)))
    return results[1:]


def run(rounds: int = 3) -> dict[str, Any]:
    """All figures."""
    results = lives(rounds)
    last = results[-1]
    return {
        "cold_start_s": statistics.median(min(one["onebot_s"], one["webchat_s"]) for one in results),
        "all_answer_s": statistics.median(max(one["onebot_s"], one["webchat_s"]) for one in results),
        "starts": [{key: one[key] for key in ("onebot_s", "webchat_s")} for one in results],
        "pss": last["pss"],
        "pss_mib": sum(last["pss"].values()),
        "killed_s": last["killed_s"],
        "size": installed_size(),
    }


def installed_size() -> dict[str, Any]:
    """Megabytes on the disk, ours and third party, without and with compiled bytecode."""
    third = third_party()
    ours = [_folder(MODULES.get(name, f"jackfield_{name}")) for name in OURS]
    sizes = {name: _size([Path(str(d.locate_file(f))) for f in d.files or ()]) for name, d in third.items()}
    largest = sorted(sizes.items(), key=lambda item: -item[1][0])[:8]
    without = [sum(_size(list(folder.rglob("*")))[0] for folder in ours), sum(s[0] for s in sizes.values())]
    bytecode = sum(_size(list(folder.rglob("*")))[1] for folder in ours) + sum(s[1] for s in sizes.values())
    return {
        "ours_mb": without[0] / 1e6,
        "third_party_mb": without[1] / 1e6,
        "bytecode_mb": bytecode / 1e6,
        "total_mb": (sum(without) + bytecode) / 1e6,
        "third_party": len(third),
        "largest_mb": {name: size[0] / 1e6 for name, size in largest},
    }


def third_party() -> dict[str, Distribution]:
    """Every distribution that the default set needs, besides its own."""
    found: dict[str, Distribution] = {}
    names = [f"jackfield-{name}" for name in OURS]
    seen: set[str] = set()
    while names:
        name = names.pop().lower().replace("_", "-")
        if name in seen:
            continue
        seen.add(name)
        try:
            known = distribution(name)
        except PackageNotFoundError:
            continue
        if not name.startswith("jackfield-"):
            found[name] = known
        for text in known.requires or ():
            needed = Requirement(text)
            if needed.marker is None or needed.marker.evaluate({"extra": ""}):
                names.append(needed.name)
    return found


def _folder(package: str) -> Path:
    spec = find_spec(package)
    assert spec is not None
    assert spec.submodule_search_locations
    return Path(spec.submodule_search_locations[0])


def _size(files: list[Path]) -> tuple[int, int]:
    """Bytes of blocks on the disk: without compiled bytecode, and the bytecode."""
    plain = compiled = 0
    for file in files:
        if not file.is_file():
            continue
        used = file.stat().st_blocks * 512
        if file.suffix == ".pyc":
            compiled += used
        else:
            plain += used
    return plain, compiled


def main() -> None:
    """Print JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    print(json.dumps(run(parser.parse_args().rounds), indent=1))


if __name__ == "__main__":
    main()
