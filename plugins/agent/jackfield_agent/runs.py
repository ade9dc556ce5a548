"""The answers that are being worked on here, for whoever wants to stop one."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine, Iterator


class Run:
    """One answer. `asker` may stop it; empty: anyone may."""

    def __init__(self, work: Coroutine[None, None, None], asker: str) -> None:
        self.asker = asker
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
    def running(self, place: str, work: Coroutine[None, None, None], asker: str) -> Iterator[Run]:
        """Works on an answer until the block ends."""
        run = Run(work, asker)
        self._runs.setdefault(place, []).append(run)
        try:
            yield run
        finally:
            run.task.cancel()
            self._runs[place].remove(run)
            if not self._runs[place]:
                del self._runs[place]

    def at(self, place: str) -> list[Run]:
        """What runs at a place."""
        return list(self._runs.get(place, ()))
