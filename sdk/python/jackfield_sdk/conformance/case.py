"""One case of the kit and what came of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jackfield_sdk.conformance.stage import Stage


class Outcome(StrEnum):
    """How a case ended."""

    PASS = "pass"
    FAIL = "fail"
    SKIP = "skip"


class Level(StrEnum):
    """What a passed case proves."""

    FAKE_E2E = "fake-e2e"
    STATIC = "unit"


class Skip(Exception):
    """The case does not apply; the text says why."""


class Failure(Exception):
    """What the adapter does is not what it has to; the text says what was expected and what came."""


@dataclass(frozen=True, slots=True)
class Case:
    """`id` as on the acceptance page; `subject` is the event, segment, method or action it is about, empty without one."""

    id: str
    topic: str
    title: str
    run: Callable[[Stage], Awaitable[None]]
    subject: str = ""
    level: Level = Level.FAKE_E2E

    @property
    def key(self) -> str:
        """Unique in a run: the id with its subject."""
        return f"{self.id}[{self.subject}]" if self.subject else self.id


@dataclass(frozen=True, slots=True)
class Result:
    """A case that ran."""

    case: Case
    outcome: Outcome
    seconds: float
    reason: str = ""
    steps: tuple[dict[str, Any], ...] = field(default=(), hash=False)


def expect(holds: object, otherwise: str) -> None:
    """Raises Failure unless something holds."""
    if not holds:
        raise Failure(otherwise)
