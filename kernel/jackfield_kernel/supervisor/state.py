"""The life cycle of a plugin."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

MISSED_HEARTBEATS = "MISSED_HEARTBEATS"
"""Name of the reason of a plugin that was ended for its silence."""


class State(StrEnum):
    """Where a plugin stands.

    STARTING: launched or awaited, not ready yet. ACTIVE: attached and was ready. DRAINING: asked to finish.
    STOPPED: not running, because someone wants it so. FAILED: not running; restarts after a back-off, or
    cannot start at all. PARKED: failed too often; tried again every few minutes and when enabled.
    """

    STARTING = "STARTING"
    ACTIVE = "ACTIVE"
    DRAINING = "DRAINING"
    STOPPED = "STOPPED"
    FAILED = "FAILED"
    PARKED = "PARKED"


TRANSITIONS: dict[State, frozenset[State]] = {
    State.STOPPED: frozenset({State.STARTING, State.FAILED}),
    State.STARTING: frozenset({State.ACTIVE, State.DRAINING, State.FAILED, State.PARKED, State.STOPPED}),
    State.ACTIVE: frozenset({State.DRAINING, State.FAILED, State.PARKED, State.STOPPED}),
    State.DRAINING: frozenset({State.STOPPED, State.FAILED}),
    State.FAILED: frozenset({State.STARTING, State.STOPPED, State.FAILED, State.PARKED}),
    State.PARKED: frozenset({State.STARTING, State.STOPPED, State.FAILED}),
}


@dataclass(frozen=True)
class Reason:
    """Why a plugin is in its state: an UPPER_SNAKE `name`, a sentence, and what to do when something is to be
    done.
    """

    name: str
    text: str = ""
    remedy: str = ""

    def __str__(self) -> str:
        return " ".join(
            part for part in (f"{self.name}:" if self.text else self.name, self.text, self.remedy) if part
        )
