"""The answers that are being found here, for whoever wants to stop one."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine, Iterator
from typing import Any


class Run:
    """One answer. `news` is set whenever it grew or ended."""

    def __init__(self) -> None:
        self.news = asyncio.Event()
        self.stopped = False
        self.task: asyncio.Task[None] | None = None

    def begin(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Start the work."""
        self.task = asyncio.create_task(work)
        self.task.add_done_callback(self._ended)
        return self.task

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled():
            # Nobody may be left to ask for it, when the caller went away in the same moment.
            task.exception()
        self.news.set()

    def stop(self) -> None:
        """A user wants no more of it."""
        self.stopped = True
        if self.task is not None:
            self.task.cancel()


class Runs:
    """Answers by place: `<bot>:<chat>`."""

    def __init__(self) -> None:
        self._runs: dict[str, list[Run]] = {}

    @contextlib.contextmanager
    def at(self, place: str) -> Iterator[Run]:
        """One more, until the block ends."""
        run = Run()
        self._runs.setdefault(place, []).append(run)
        try:
            yield run
        finally:
            if run.task is not None:
                run.task.cancel()
            self._runs[place].remove(run)
            if not self._runs[place]:
                del self._runs[place]

    def stop(self, place: str) -> int:
        """Stop what runs at a place; says how many."""
        running = [run for run in self._runs.get(place, ()) if not run.stopped]
        for run in running:
            run.stop()
        return len(running)
