"""How far behind each handler is: counted when somebody asks."""

from __future__ import annotations

from dataclasses import dataclass

from .bus import Bus


@dataclass(slots=True)
class QueueFigures:
    """One handler's queue.

    Attributes:
        waiting: deliveries that wait.
        leased: deliveries at it.
        lanes: lanes with something waiting or leased.
        done: deliveries handled since the kernel started.
        oldest: age in seconds of the oldest event that waits or is being handled.
    """

    waiting: int = 0
    leased: int = 0
    lanes: int = 0
    done: int = 0
    oldest: float = 0.0


def queue_figures(bus: Bus) -> dict[str, QueueFigures]:
    """The queues of all handlers that ever had one; costs a look at each open delivery."""
    now = bus.journal_time()
    found = {
        handler: QueueFigures(lanes=len(queue.lanes), done=queue.done)
        for handler, queue in bus.turns.queues.items()
    }
    for delivery in bus.open:
        figures = found.setdefault(delivery.rule.handler, QueueFigures())
        if delivery.sink is None:
            figures.waiting += 1
        else:
            figures.leased += 1
        figures.oldest = max(figures.oldest, now - delivery.run.accepted)
    return found
