"""A kernel that crashes again and again: after some starts within a minute it leases nothing, so that it stays up to be looked at."""

from __future__ import annotations

import json
import logging
from asyncio import sleep as rest

from ..journal.journal import Journal
from ..journal.log import LogDriver, Put
from .turns import Turns

log = logging.getLogger(__name__)

BUCKET, KEY = "meta", "starts"
REASON = "RESTART_LOOP"
WITHIN_SECONDS = 60.0


class Starts:
    """Counts starts that follow an end out of order. `limit` starts within a minute hold leasing for a minute; 0: never."""

    def __init__(self, driver: LogDriver, journal: Journal, turns: Turns, limit: int) -> None:
        self._driver = driver
        self._journal = journal
        self._turns = turns
        self._limit = limit

    async def begin(self, now: float) -> None:
        """Note this start at journal time `now`, and hold when it is one too many."""
        entry = await self._driver.get(BUCKET, KEY)
        earlier: list[float] = json.loads(entry.value) if entry is not None else []
        recent = [start for start in earlier if now - start < WITHIN_SECONDS] + [now]
        # Not waited for: a kernel whose disk is full comes up to say so.
        self._journal.put(Put(BUCKET, KEY, json.dumps(recent).encode()))
        if self._limit and len(recent) >= self._limit:
            text = f"the kernel started {len(recent)} times within {now - recent[0]:.0f} s and did not end in order"
            self._turns.holds[REASON] = text
            log.error("nothing is leased for %g s: %s", WITHIN_SECONDS, text)

    async def calm(self) -> None:
        """Lease again after a minute without a crash."""
        if REASON in self._turns.holds:
            await rest(WITHIN_SECONDS)
            await self.resume()

    async def resume(self) -> list[str]:
        """Lease again now; returns what is over, for people."""
        ended = self._turns.holds.pop(REASON, None)
        self.end()
        self._turns.flush()
        return [ended] if ended else []

    def end(self) -> None:
        """The kernel ends in order, or all is well: earlier starts count no more. A disk that fails does not hold up the end."""
        if self._journal.failure is None:
            self._journal.put(Put(BUCKET, KEY, None))
