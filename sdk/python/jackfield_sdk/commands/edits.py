"""Notices that files of a folder were saved, by looking at their times."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

STEP_SECONDS = 0.25
LEFT_OUT = frozenset({"__pycache__", "node_modules", "venv", "build", "dist", "target"})

Snapshot = dict[str, tuple[int, int]]


async def edits(place: Path, step: float = STEP_SECONDS) -> AsyncIterator[list[str]]:
    """Yields the names of changed files each time some were saved; several saves at once are one."""
    known = await asyncio.to_thread(snapshot, place)
    while True:
        await asyncio.sleep(step)
        found = await asyncio.to_thread(snapshot, place)
        if found == known:
            continue
        # An editor that saves all files is still at it.
        while (later := await _after(place, step)) != found:
            found = later
        names = sorted(name for name in {*known, *found} if known.get(name) != found.get(name))
        known = found
        yield names


def snapshot(place: Path) -> Snapshot:
    """Time and size of every file below `place`, but for hidden ones, caches and environments."""
    found: Snapshot = {}
    for folder, folders, files in os.walk(place):
        folders[:] = [name for name in folders if not _left_out(name)]
        for name in files:
            if name.startswith(".") or name.endswith((".pyc", "~", ".swp")):
                continue
            path = Path(folder, name)
            try:
                stat = path.stat()
            except FileNotFoundError:
                continue
            found[str(path.relative_to(place))] = (stat.st_mtime_ns, stat.st_size)
    return found


async def _after(place: Path, seconds: float) -> Snapshot:
    await asyncio.sleep(seconds)
    return await asyncio.to_thread(snapshot, place)


def _left_out(name: str) -> bool:
    return name.startswith(".") or name in LEFT_OUT or name.endswith(".egg-info")
