"""Flood protection of servers: so many lines at once, then one per interval; who is faster is thrown out."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

Sleep = Callable[[float], Awaitable[Any]]


class Pace:
    """`lines` may go at once; each comes back after `seconds`."""

    def __init__(self, lines: int, seconds: float, sleep: Sleep = asyncio.sleep) -> None:
        self._burst = lines * seconds
        self._seconds = seconds
        self._sleep = sleep
        self._due = 0.0

    async def turn(self) -> None:
        """Wait until the next line may go."""
        now = asyncio.get_running_loop().time()
        self._due = max(self._due, now - self._burst) + self._seconds
        if (wait := self._due - now) > 0:
            await self._sleep(wait)
