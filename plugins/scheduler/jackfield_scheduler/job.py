"""A job and its runs, as they stand in the key-value store."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from jackfield_scheduler.schedule import Schedule, parse

MOST_RUNS = 10
LONGEST_TEXT = 4000
EVENT_PREFIX = "job-"


class State(StrEnum):
    """What becomes of a job by itself."""

    ACTIVE = "active"
    PAUSED = "paused"
    DONE = "done"


class RunState(StrEnum):
    """How the work of a run went. WAITING: a handler has it. SKIPPED: missed, and the job says skip."""

    RUNNING = "running"
    WAITING = "waiting"
    OK = "ok"
    FAILED = "failed"
    SKIPPED = "skipped"


class DeliveryState(StrEnum):
    """What became of its result. SILENT: there was nothing to say."""

    NONE = "none"
    PENDING = "pending"
    DELIVERED = "delivered"
    SILENT = "silent"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Run:
    """One run. Times are ISO texts in UTC; `due` names it within its job."""

    due: str
    started: str
    run: RunState = RunState.RUNNING
    delivery: DeliveryState = DeliveryState.PENDING
    late: bool = False
    attempt: int = 1
    next_try: str = ""
    error: str = ""
    ended: str = ""

    @property
    def failed(self) -> bool:
        """A result that did not arrive is a failure as well."""
        return self.run is RunState.FAILED or self.delivery is DeliveryState.FAILED


@dataclass(frozen=True, slots=True)
class Job:
    """One job. `kind` is `message` (the text is sent) or `event` (the text goes to a handler). `running` is durable before its effect."""

    id: str
    bot: str
    chat: str
    creator: str
    kind: str
    text: str
    schedule: str
    zone: str
    created: str
    target: str = "origin"
    missed: str = "late"
    on_failure: str = ""
    state: State = State.ACTIVE
    due: str = ""
    running: Run | None = None
    runs: tuple[Run, ...] = field(default=())
    fence: int = 0

    @property
    def parsed(self) -> Schedule:
        """Its schedule."""
        return parse(self.schedule, self.zone, datetime.fromisoformat(self.created))

    @property
    def due_at(self) -> datetime | None:
        """When it runs next."""
        return datetime.fromisoformat(self.due) if self.due and self.state is State.ACTIVE else None

    def next_due(self, after: datetime) -> str:
        """The next due time as text; empty when there is none."""
        at = self.parsed.next_after(after, datetime.fromisoformat(self.created))
        return at.isoformat() if at is not None else ""

    def run_key(self, run: Run) -> str:
        """Names the run for ever: effects carry it, so that none happens twice."""
        return f"{EVENT_PREFIX}{self.id}-{int(datetime.fromisoformat(run.due).timestamp() * 1000)}"

    def ended(self, run: Run) -> Job:
        """The job with this run in its history."""
        return replace(self, running=None, runs=(run, *self.runs)[:MOST_RUNS])

    def with_run(self, run: Run) -> Job:
        """The job with a run of its history replaced."""
        return replace(self, runs=tuple(run if one.due == run.due else one for one in self.runs))

    def to_text(self) -> str:
        """As it is stored."""
        return json.dumps(asdict(self), ensure_ascii=False, separators=(",", ":"))

    @classmethod
    def of(cls, text: str | bytes) -> Job:
        """Read back what `to_text` wrote."""
        values = json.loads(text)
        values["state"] = State(values["state"])
        values["running"] = _run(values["running"]) if values["running"] else None
        values["runs"] = tuple(_run(run) for run in values["runs"])
        return cls(**values)


def job_of(event_id: str) -> str:
    """The job that an event belongs to; empty for any other event."""
    return event_id.removeprefix(EVENT_PREFIX).partition("-")[0] if event_id.startswith(EVENT_PREFIX) else ""


def _run(values: dict[str, object]) -> Run:
    run = Run(**values)  # type: ignore[arg-type]
    return replace(run, run=RunState(run.run), delivery=DeliveryState(run.delivery))
