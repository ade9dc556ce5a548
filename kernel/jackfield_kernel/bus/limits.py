"""Bounds of the bus, and what it counts."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..errors import REASONS

OTHER = "other"
"""Stands for reasons that plugins invented: figures have a bounded number of series."""


@dataclass(slots=True)
class Limits:
    """Bounds of the bus. Seconds for times, counts for the others."""

    max_attempts: int = 5
    max_age: float = 24 * 3600.0
    max_crashes: int = 3
    lane_waiting: int = 256
    backoff_first: float = 1.0
    backoff_last: float = 60.0
    max_depth: int = 16
    dead_kept: float = 0.0
    """How long a dead letter is kept; 0 for ever."""
    parked_until: int = 0
    """What is open and was accepted up to this sequence becomes a dead letter: the journal was restored then."""


@dataclass(slots=True)
class Counters:
    """What happened since the kernel started."""

    accepted: int = 0
    duplicates: int = 0
    unrouted: int = 0
    done: int = 0
    nacked: int = 0
    dead: int = 0
    dropped: int = 0
    interrupted: int = 0
    merged: int = 0
    resumed: int = 0
    dead_reasons: dict[str, int] = field(default_factory=dict)
    """Dead letters by reason."""

    def died(self, reason: str) -> None:
        """Count a dead letter."""
        self.dead += 1
        known = reason if reason in REASONS else OTHER
        self.dead_reasons[known] = self.dead_reasons.get(known, 0) + 1
