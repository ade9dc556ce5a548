"""How much of what is open belongs to which bot: one that holds more than its share is pushed back, and it alone.

The kernel keeps open events in memory, so what a slow handler leaves behind must be bounded. The bound is shared by the bots that
have anything open; who is above its share waits with its next publishes, in its adapter, until it has shrunk.
"""

from __future__ import annotations

from collections.abc import Callable

from .model import Run

RESUME = 0.75
"""A bot goes on when it is below this part of its share, so that it does not stop and go with every event."""
TELL_AGAIN = 256
"""After so many events that came all the same the adapter is told again: it may have missed it."""
SLACK_EVENTS = 4_096
"""Events above its share that a bot may have had on their way when it was told; what comes beyond them is refused."""


class Held:
    """What one bot has open."""

    __slots__ = ("bytes", "events", "told")

    def __init__(self) -> None:
        self.events = 0
        self.bytes = 0
        self.told = 0


class Shares:
    """The account of all bots.

    Attributes:
        paused: bots that are above their share.
        on_change: told of a bot that has to wait, or may go on; see `paused`.
    """

    def __init__(self, events: int = 100_000, size: int = 256 << 20) -> None:
        self.events = events
        self.size = size
        self.paused: set[str] = set()
        self.on_change: Callable[[str], None] = lambda bot: None
        self.held: dict[str, Held] = {}

    def took(self, bot: str, size: int) -> None:
        """An event of the bot is open now."""
        held = self.held.get(bot)
        if held is None:
            held = self.held[bot] = Held()
        held.events += 1
        held.bytes += size
        if bot in self.paused:
            held.told -= 1
            if held.told <= 0:
                held.told = TELL_AGAIN
                self.on_change(bot)
        elif bot and self._above(held, 1.0):
            held.told = TELL_AGAIN
            self.paused.add(bot)
            self.on_change(bot)

    def ended(self, bot: str, size: int) -> None:
        """An event of the bot is settled."""
        held = self.held[bot]
        held.events -= 1
        held.bytes -= size
        if bot in self.paused and not self._above(held, RESUME):
            self.paused.discard(bot)
            self.on_change(bot)
        if not held.events:
            del self.held[bot]

    def refuses(self, bot: str) -> bool:
        """Whether the bot goes on publishing although it was told to wait."""
        held = self.held.get(bot) if bot in self.paused else None
        return held is not None and held.events > self.events // len(self.held) + SLACK_EVENTS

    def _above(self, held: Held, part: float) -> bool:
        bots = len(self.held)
        return held.events * bots > self.events * part or held.bytes * bots > self.size * part


class OpenRuns(dict[str, Run]):
    """The runs that are open, by event id, oldest first; each is on its bot's account from its entry to its removal."""

    def __init__(self, shares: Shares) -> None:
        super().__init__()
        self._shares = shares

    def open(self, run: Run) -> None:
        """A run begins."""
        if run.event.id not in self:
            run.size = run.event.ByteSize()
            self._shares.took(run.event.bot, run.size)
        self[run.event.id] = run

    def close(self, event_id: str) -> None:
        """A run is over; nothing happens when it was over already."""
        run = self.pop(event_id, None)
        if run is not None:
            self._shares.ended(run.event.bot, run.size)
