"""Events about what cannot keep up: `kernel.lane_full` counts what a lane dropped, `kernel.bot_pushed_back` names a bot that waits.

A flood must not cause another one: each lane and bot is told at most once per `GATHER_SECONDS`, with how much it was.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ..bus.bus import Bus
from ..bus.model import Delivery

GATHER_SECONDS = 10.0
MOST_LANES = 1_000
"""Lanes that are counted each on their own; what the others drop is told under an empty name."""

Tell = Callable[[str, Mapping[str, object], str], None]
"""Name, data and bot of an event of the kernel."""


class Pressure:
    """Counts, and tells after a while; `looked` is called about every second."""

    def __init__(self, bus: Bus, tell: Tell) -> None:
        self._bus = bus
        self._tell = tell
        self._dropped: dict[tuple[str, str, str], int] = {}
        self._since = 0.0
        self._waiting: dict[str, float] = {}
        bus.on_full = self._full

    def _full(self, delivery: Delivery) -> None:
        key = (delivery.run.event.bot, delivery.run.lane, delivery.rule.handler)
        if key not in self._dropped and len(self._dropped) >= MOST_LANES:
            key = ("", "", delivery.rule.handler)
        self._dropped[key] = self._dropped.get(key, 0) + 1

    def looked(self, now: float) -> None:
        """Tell what has gathered for long enough; `now` in seconds of a steady clock."""
        if not self._dropped:
            self._since = now
        elif now - self._since >= GATHER_SECONDS:
            dropped, self._dropped = self._dropped, {}
            for (bot, lane, handler), count in dropped.items():
                self._tell("lane_full", {"lane": lane, "handler": handler, "dropped": count}, bot)
        paused = self._bus.shares.paused
        for bot in [bot for bot in self._waiting if bot not in paused]:
            del self._waiting[bot]
        for bot in paused:
            since = self._waiting.setdefault(bot, now)
            if now - since >= GATHER_SECONDS:
                # Told once for as long as it lasts.
                self._waiting[bot] = float("inf")
                held = self._bus.shares.held[bot]
                self._tell("bot_pushed_back", {"bot": bot, "events": held.events}, bot)
