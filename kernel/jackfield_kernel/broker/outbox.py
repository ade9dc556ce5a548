"""Calls that wait: for a provider that is away, for a bot that is not open, or for room in the provider's window."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from .call import Call

MAX_WAITING = 1_000
"""Calls that wait for one provider and bot; more is OVERLOADED."""


class Outbox:
    """Queues by provider and bot: one bot that is not open holds up no other."""

    def __init__(self) -> None:
        self._queues: dict[str, dict[str, deque[Call]]] = {}

    def add(self, call: Call) -> bool:
        """Queue a call; False when too many wait already."""
        queue = self._queues.setdefault(call.provider_name, {}).setdefault(call.open.target.bot, deque())
        if len(queue) >= MAX_WAITING:
            return False
        queue.append(call)
        return True

    def remove(self, call: Call) -> None:
        """Take a call out, wherever it stands; nothing happens when it does not wait."""
        queue = self._queues.get(call.provider_name, {}).get(call.open.target.bot)
        if queue and call in queue:
            queue.remove(call)

    def queues(self, provider: str) -> Iterable[deque[Call]]:
        """The queues of a provider, oldest call first."""
        return self._queues.get(provider, {}).values()

    def take_cut(self, provider: str, instance: str) -> list[Call]:
        """Take out the calls that this process of the provider held when its stream broke."""
        cut = [call for queue in self.queues(provider) for call in queue if call.cut == instance]
        for call in cut:
            self.remove(call)
        return cut

    def waiting(self) -> dict[str, int]:
        """How many calls wait, by provider."""
        return {name: sum(map(len, queues.values())) for name, queues in self._queues.items()}
