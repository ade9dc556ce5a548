"""Notices that files of a folder were saved, by looking at their times."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

STEP_SECONDS = 0.2
LEFT_OUT = frozenset({"__pycache__", "node_modules", "venv", "build", "dist", "target"})

Snapshot = dict[str, tuple[int, int]]


class Edits:
    """Saves below a folder since this was made, or since the last ones were seen."""

    def __init__(self, place: Path, step: float = STEP_SECONDS) -> None:
        self._place = place
        self._step = step
        self._known = snapshot(place)

    async def next(self) -> list[str]:
        """Waits for saves; returns the names of the changed files. Several saves at once are one."""
        while (found := await self._look()) == self._known:
            await asyncio.sleep(self._step)
        # An editor that saves all files is still at it.
        await asyncio.sleep(self._step)
        while (later := await self._look()) != found:
            found = later
            await asyncio.sleep(self._step)
        known, self._known = self._known, found
        return sorted(name for name in {*known, *found} if known.get(name) != found.get(name))

    async def _look(self) -> Snapshot:
        return await asyncio.to_thread(snapshot, self._place)


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


def _left_out(name: str) -> bool:
    return name.startswith(".") or name in LEFT_OUT or name.endswith(".egg-info")
