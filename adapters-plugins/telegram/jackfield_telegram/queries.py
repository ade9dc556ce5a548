"""Callback queries that wait for an answer: a client shows a pressed button as busy until somebody answers."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from jackfield_sdk import Bot, JackfieldError

from jackfield_telegram.convert.values import text_of
from jackfield_telegram.wire import Api

# A handler that answers within this time may show words; afterwards the button is settled without.
PATIENCE = 5.0
# More presses than this at once are settled at once.
MOST = 1000


class Queries:
    """Of one bot."""

    def __init__(self, bot: Bot, api: Api) -> None:
        self._bot = bot
        self._api = api
        self._waiting: dict[str, asyncio.TimerHandle] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def arrived(self, query: Mapping[str, Any]) -> None:
        """A button was pressed: from now on its time runs."""
        query_id = text_of(query.get("id"))
        if not query_id or query_id in self._waiting:
            return
        patience = PATIENCE if len(self._waiting) < MOST else 0.0
        self._waiting[query_id] = asyncio.get_running_loop().call_later(patience, self._expired, query_id)

    def claim(self, query_id: str) -> bool:
        """True when the query still waits, and is now the caller's to answer."""
        timer = self._waiting.pop(query_id, None)
        if timer is None:
            return False
        timer.cancel()
        return True

    async def settle(self, query_id: str, text: str = "", *, alert: bool = False) -> None:
        """Answers a query; one that is too old is settled anyway."""
        try:
            await self._api.call(
                "answerCallbackQuery", callback_query_id=query_id, text=text or None, show_alert=alert or None
            )
        except JackfieldError as error:
            words = error.message.lower()
            if "query is too old" not in words and "query id is invalid" not in words:
                raise

    async def close(self) -> None:
        """Settles nothing more."""
        for timer in self._waiting.values():
            timer.cancel()
        self._waiting.clear()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def _expired(self, query_id: str) -> None:
        self._waiting.pop(query_id, None)
        task = asyncio.get_running_loop().create_task(self._settle_quietly(query_id))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _settle_quietly(self, query_id: str) -> None:
        try:
            await self.settle(query_id)
        except JackfieldError as error:
            self._bot.log.info("a pressed button was not settled: %s", error)
