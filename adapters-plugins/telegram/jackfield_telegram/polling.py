"""Long polling: the offset of a request acknowledges everything before it, so it moves only over what is durable."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from jackfield_sdk import AuthExpired, Bot, BotState, JackfieldError, PlatformError

from jackfield_telegram.albums import Update, unfinished
from jackfield_telegram.convert.people import Me
from jackfield_telegram.convert.updates import KINDS, id_of
from jackfield_telegram.intake import Intake
from jackfield_telegram.offsets import Offset, offset_of
from jackfield_telegram.wire import Api

LIMIT = 100
# How long the answer may take beyond the time that the platform was asked to wait.
GRACE = 15.0
# Within this time the rest of an album is on its way.
ALBUM_SECONDS = 0.5
FIRST_WAIT, LONGEST_WAIT = 1.0, 60.0
# A refused token is tried again like any refused credential.
REFUSED_WAITS = (60.0, 300.0, 900.0, 3600.0)
Sleep = Callable[[float], Awaitable[Any]]
Clock = Callable[[], float]


class Poller:
    """Of one bot. `run` ends by being cancelled only."""

    def __init__(
        self,
        bot: Bot,
        api: Api,
        me: Me,
        intake: Intake,
        *,
        timeout: int,
        sleep: Sleep = asyncio.sleep,
        clock: Clock = time.time,
    ) -> None:
        self._bot = bot
        self._api = api
        self._me = me
        self._intake = intake
        self._timeout = timeout
        self._sleep = sleep
        self._clock = clock
        self._offset = offset_of(bot.checkpoint, me.id, clock())
        self._failures = 0
        # The last update of an album that was left unacknowledged to see whether more comes.
        self._held: int | None = None

    @property
    def checkpoint(self) -> bytes:
        """Everything before it is durable."""
        return self._offset.encode()

    async def run(self) -> None:
        """Polls; every failure is tried again, and the operator sees it."""
        while True:
            try:
                if not self._bot.may_act:
                    # Another kernel may give the bot to another process by now.
                    await self._sleep(FIRST_WAIT)
                    continue
                updates = await self._poll()
                self._well()
                await self._take(updates)
                self._failures = 0
            except JackfieldError as error:
                await self._failed(error)

    async def _poll(self) -> list[Any]:
        answer = await self._api.call(
            "getUpdates",
            self._timeout + GRACE,
            offset=self._offset.usable(self._clock()),
            limit=LIMIT,
            timeout=self._timeout,
            allowed_updates=list(KINDS),
        )
        if not isinstance(answer, list):
            raise PlatformError("Telegram's answer to getUpdates is no list")
        self._bot.alive()
        return answer

    async def _take(self, answer: Sequence[Any]) -> None:
        updates: list[Update] = [update for update in answer if id_of(update) is not None]
        # Whatever order they came in: an offset passes over everything below it.
        updates.sort(key=lambda update: id_of(update) or 0)
        if len(updates) < len(answer):
            self._bot.log.error("%d updates without an id cannot be read", len(answer) - len(updates))
            if not updates:
                # Nothing that an offset could pass over: not again at once.
                raise PlatformError("Telegram sent updates without ids")
        now = self._clock()
        if not updates:
            return
        rest = self._kept_back(updates)
        if rest is not None:
            updates = updates[:rest]
        if updates:
            next_id = max((id_of(updates[-1]) or 0) + 1, self._offset.usable(now) or 0)
            offset = Offset(self._me.id, next_id, now)
            await self._intake.take(updates, offset.encode())
            self._offset = offset
            self._bot.checkpoint = offset.encode()
        if rest is not None:
            await self._sleep(ALBUM_SECONDS)

    def _kept_back(self, updates: Sequence[Update]) -> int | None:
        """Where to stop, because an album may go on; not twice for the same last picture, and not when the batch is full."""
        begin = unfinished(updates)
        last = id_of(updates[-1])
        if begin is None or len(updates) >= LIMIT or last == self._held:
            self._held = None
            return None
        self._held = last
        return begin

    def _well(self) -> None:
        if self._bot.reported is not BotState.ACTIVE:
            self._bot.state(BotState.ACTIVE)

    async def _failed(self, error: JackfieldError) -> None:
        self._failures += 1
        if isinstance(error, AuthExpired):
            self._bot.state(BotState.FAILED, error)
            await self._sleep(REFUSED_WAITS[min(self._failures, len(REFUSED_WAITS)) - 1])
            return
        wait = min(FIRST_WAIT * 2 ** min(self._failures - 1, 10), LONGEST_WAIT) * random.uniform(0.5, 1.0)
        if error.retry_after is not None:
            wait = max(wait, error.retry_after)
        # One failure is an everyday matter: after an upgrade the old long poll may still hang.
        if self._failures > 1:
            self._bot.log.warning("polling failed %d times: %s", self._failures, error)
            self._bot.state(BotState.CONNECTING, error)
        await self._sleep(wait)
