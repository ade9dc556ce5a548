"""Events that are durable but not routed yet: no table for their bot, or a rule names a sender set that was never pushed.

They keep the order of their lane: while one waits, the lane's next ones wait behind it, also those that were routed when they were
stored.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from ..routing.decision import Decider, Decision
from .model import Run


class WaitingRoom:
    """Runs without rules, by lane."""

    def __init__(
        self, routes: Decider, route: Callable[[Run, Decision], None], start: Callable[[Run], None]
    ) -> None:
        self._routes = routes
        self._route = route
        self._start = start
        self._lanes: dict[str, deque[Run]] = {}
        self._deciding: set[str] = set()
        self.count = 0

    def holds(self, lane: str) -> bool:
        """Whether an earlier event of the lane waits."""
        return lane in self._lanes

    def add(self, run: Run) -> None:
        """Keep a run whose rules are not known."""
        self._lanes.setdefault(run.lane, deque()).append(run)
        self.count += 1
        self._try(run.lane)

    def retry(self) -> None:
        """A table or a set changed."""
        for lane in list(self._lanes):
            self._try(lane)

    def routed(self, run: Run) -> None:
        """The run's rules are committed: the lane's next one may be routed."""
        self._deciding.discard(run.lane)
        self._leave(run)
        line = self._lanes.get(run.lane)
        while line and line[0].rules is not None:
            follower = line[0]
            self._leave(follower)
            self._start(follower)
        if line:
            self._try(run.lane)

    def _leave(self, run: Run) -> None:
        line = self._lanes[run.lane]
        line.popleft()
        self.count -= 1
        if not line:
            del self._lanes[run.lane]

    def _try(self, lane: str) -> None:
        if lane in self._deciding:
            return
        run = self._lanes[lane][0]
        decision = self._routes.decide(run.event)
        if isinstance(decision, Decision):
            self._deciding.add(lane)
            self._route(run, decision)
