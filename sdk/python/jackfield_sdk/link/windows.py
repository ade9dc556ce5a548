"""A bound on how much may be in flight, granted by the other side and changed at any time."""

from __future__ import annotations

import asyncio
from collections import deque


class Window:
    """Counts what is in flight; `enter` waits while the window is full. First come, first served."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._used = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def enter(self) -> None:
        """Takes one place."""
        if self._used < self._limit and not self._waiting:
            self._used += 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.leave()
            raise

    def leave(self) -> None:
        """Gives one place back."""
        self._used -= 1
        self._admit()

    def resize(self, limit: int) -> None:
        """Sets how many places there are."""
        self._limit = limit
        self._admit()

    def add(self, places: int) -> None:
        """Raises the limit: for windows that are granted as increments."""
        self.resize(self._limit + places)

    def _admit(self) -> None:
        while self._waiting and self._used < self._limit:
            turn = self._waiting.popleft()
            if not turn.done():
                self._used += 1
                turn.set_result(None)
