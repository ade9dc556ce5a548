"""The answers that are being worked on here, for whoever wants to stop one."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine, Iterator


class Run:
    """One answer."""

    def __init__(self, work: Coroutine[None, None, None]) -> None:
        self.task = asyncio.ensure_future(work)
        self.stopped = False

    def stop(self) -> None:
        """A user wants no more of it."""
        self.stopped = True
        self.task.cancel()


class Runs:
    """Answers by place: `<bot>:<chat>`."""

    def __init__(self) -> None:
        self._runs: dict[str, list[Run]] = {}

    @contextlib.contextmanager
    def running(self, place: str, work: Coroutine[None, None, None]) -> Iterator[Run]:
        """Works on an answer until the block ends."""
        run = Run(work)
        self._runs.setdefault(place, []).append(run)
        try:
            yield run
        finally:
            run.task.cancel()
            self._runs[place].remove(run)
            if not self._runs[place]:
                del self._runs[place]

    def stop(self, place: str) -> int:
        """Stop what runs at a place; says how many."""
        runs = self._runs.get(place, [])
        for run in runs:
            run.stop()
        return len(runs)
