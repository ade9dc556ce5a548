"""How many requests a route takes: a bucket that fills at its rate and holds twice a second's worth."""

from __future__ import annotations


class Bucket:
    """`rate` per second. The clock is the caller's."""

    __slots__ = ("_at", "_left", "_most", "rate")

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self._most = max(1.0, 2 * rate)
        self._left = self._most
        self._at: float | None = None

    def take(self, now: float) -> float:
        """Takes one; returns 0, or the seconds after which to try again."""
        if self._at is not None:
            self._left = min(self._most, self._left + max(0.0, now - self._at) * self.rate)
        self._at = now
        if self._left >= 1.0:
            self._left -= 1.0
            return 0.0
        return (1.0 - self._left) / self.rate
