"""Publishes of bots that the kernel told to wait: each bot has a gate, and who came first goes through it first."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable


class Gates:
    """Open but for the bots that were named last."""

    def __init__(self) -> None:
        self._closed: frozenset[str] = frozenset()
        self._queues: dict[str, deque[asyncio.Future[None]]] = {}

    async def enter(self, bot: str) -> None:
        """Waits while the bot has to wait, behind those that wait already."""
        if bot not in self._closed and bot not in self._queues:
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        queue = self._queues.setdefault(bot, deque())
        queue.append(turn)
        try:
            await turn
        finally:
            queue.remove(turn)
            if not queue:
                self._queues.pop(bot, None)
            self._next(bot)

    def close(self, bots: Iterable[str]) -> None:
        """These have to wait from now on, and only these."""
        self._closed = frozenset(bots)
        for bot in tuple(self._queues):
            self._next(bot)

    def _next(self, bot: str) -> None:
        queue = self._queues.get(bot)
        if queue and bot not in self._closed and not queue[0].done():
            queue[0].set_result(None)
