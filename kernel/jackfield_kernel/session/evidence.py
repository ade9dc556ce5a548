"""Liveness by evidence: a bot that has not heard from its platform for too long is opened again, and no other with it."""

from __future__ import annotations

import logging
from collections.abc import Callable

from jackfield.v1 import frame_pb2

from .bots import Bot, Bots
from .session import Session

log = logging.getLogger(__name__)

MAX_DOUBLINGS = 4


class Evidence:
    """Judges what adapters say in their pings. `bound` is the manifest's bound of an adapter in seconds; None: it declares none."""

    def __init__(self, bots: Bots, bound: Callable[[str], float | None]) -> None:
        self._bots = bots
        self._bound = bound
        self._doublings: dict[str, int] = {}
        """How often in a row a bot was opened again without being heard of in between; only bots that were."""

    def heard(self, session: Session, ping: frame_pb2.Ping) -> None:
        """A ping with evidence arrived."""
        bound = self._bound(session.plugin)
        if bound is None:
            return
        for evidence in ping.evidence:
            bot = self._bots.bots.get(evidence.bot)
            if bot is not None and bot.open_on is session and bot.state == frame_pb2.BOT_STATE_ACTIVE:
                self._judge(bot, evidence.age.seconds + evidence.age.nanos / 1e9, bound)

    def _judge(self, bot: Bot, age: float, bound: float) -> None:
        name = bot.spec.name
        if age <= bound:
            self._doublings.pop(name, None)
            return
        doublings = self._doublings.get(name, 0)
        # A platform that is slow for everybody must not be asked to begin anew again and again.
        if age <= bound * 2**doublings:
            return
        self._doublings[name] = min(doublings + 1, MAX_DOUBLINGS)
        log.warning(
            "bot %s has not heard from its platform for %.0f s: it is opened again", bot.spec.name, age
        )
        self._bots.reopen(bot, f"its platform was silent for {age:.0f} s")
