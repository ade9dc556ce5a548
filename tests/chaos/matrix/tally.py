"""What an outsider counts: numbered messages, and the replies to them."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise

OUTSTANDING = 512
"""Messages without an answer at full speed: below what the lanes hold, for a full lane drops by design and says so."""


@dataclass(frozen=True)
class Count:
    """What an outsider saw. Seconds for `quiet`: the longest time without any reply while some were due."""

    messages: int
    lost: int
    repeated: int
    out_of_order: int
    quiet: float


class Tally:
    """A platform that talks and counts; what its messages look like on the wire is its subclass's."""

    lanes = 8

    def __init__(self) -> None:
        self.replies: list[tuple[str, int]] = []
        self.said = 0
        self._answered: set[int] = set()
        self._changed = asyncio.Event()
        self._last = 0.0
        self._quiet = 0.0

    async def connected(self) -> None:
        """Wait until a message can be sent; a platform that keeps what it could not send need not wait."""

    def send(self, number: int, lane: str) -> None:
        """Send one numbered message."""
        raise NotImplementedError

    def say(self) -> None:
        """The next numbered message, in the next lane."""
        if not self.said:
            self._last = time.monotonic()
        self.said += 1
        self.send(self.said, f"lane{self.said % self.lanes}")

    async def talk(self, messages: int, per_second: float) -> None:
        """Say so many messages; 0 per second is as fast as they are answered, with OUTSTANDING on their way."""
        started = time.monotonic()
        for number in range(messages):
            await self.connected()
            self.say()
            if per_second:
                await asyncio.sleep(max(0.0, started + (number + 1) / per_second - time.monotonic()))
            while not per_second and self.said - len(self._answered) > OUTSTANDING:
                await self.change()

    async def answered(self, seconds: float) -> bool:
        """Wait until every message has an answer; False when that takes too long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while len(self._answered) < self.said:
                    await self.change()
                return True
        return False

    async def still(self, seconds: float) -> None:
        """Wait until every message has an answer, or none came for so long."""
        while True:
            replies = len(self.replies)
            if await self.answered(seconds) or len(self.replies) == replies:
                return

    def heard(self, lane: str, number: int) -> None:
        """A reply came."""
        now = time.monotonic()
        self._quiet, self._last = max(self._quiet, now - self._last), now
        self.replies.append((lane, number))
        self._answered.add(number)
        self._changed.set()

    def count(self) -> Count:
        """What was seen."""
        times = Counter(number for _, number in self.replies)
        first: dict[str, list[int]] = {}
        seen: set[int] = set()
        for lane, number in self.replies:
            if number not in seen:
                seen.add(number)
                first.setdefault(lane, []).append(number)
        wrong = sum(late > soon for numbers in first.values() for late, soon in pairwise(numbers))
        repeated = sum(more - 1 for more in times.values())
        return Count(self.said, self.said - len(times), repeated, wrong, round(self._quiet, 2))

    def changed(self) -> None:
        """Something happened that somebody may wait for."""
        self._changed.set()

    async def change(self) -> None:
        """Wait until something happens."""
        self._changed.clear()
        await self._changed.wait()
