"""Journal time: seconds that no clock step changes.

It starts from what the last group persisted, plus the wall-clock gap since (never negative, at most seven days), and then follows the
boot-time clock, which also counts while the machine sleeps. Ages, expiries and back-offs are measured in it.
"""

from __future__ import annotations

import time
from collections.abc import Callable

MAX_GAP = 7 * 24 * 3600.0


def boottime() -> float:
    """Seconds of the boot-time clock; the monotonic clock where a system has no boot-time clock."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class JournalClock:
    """Journal time of one kernel.

    Attributes:
        skewed: seconds by which the wall clock stood behind the journal at start, 0 when it did not.
    """

    def __init__(
        self,
        journal_time: float,
        wall_time: float,
        *,
        wall: Callable[[], float] = time.time,
        steady: Callable[[], float] = boottime,
    ) -> None:
        now = wall()
        gap = now - wall_time if wall_time else 0.0
        self.skewed = max(0.0, -gap)
        start = journal_time if journal_time else now
        self._steady = steady
        self._offset = start + min(max(0.0, gap), MAX_GAP) - steady()

    def now(self) -> float:
        """Journal time in seconds. A new journal begins at the wall clock, so that it reads as a date."""
        return self._steady() + self._offset
