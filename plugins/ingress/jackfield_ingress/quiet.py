"""Refusals in the log: each kind at once, then at most once a minute with how many there were. A flood of requests is no flood of lines."""

from __future__ import annotations

import logging

EVERY = 60.0
MOST = 1_000


class QuietLog:
    """Counts what it does not say."""

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._said: dict[tuple[str, str], tuple[float, int]] = {}

    def refused(self, path: str, remote: str, why: str, now: float) -> None:
        """A request to `path` was turned away. `why` holds no value of the request."""
        key = (path, why)
        at, held = self._said.get(key, (0.0, 0))
        if held or at:
            if now - at < EVERY:
                self._said[key] = (at, held + 1)
                return
        elif len(self._said) >= MOST:
            self._said.clear()
        more = f" (and {held} more since the last line)" if held else ""
        self._said[key] = (now, 0)
        self._log.warning("a request to %s from %s was refused: %s%s", path, remote, why, more)
