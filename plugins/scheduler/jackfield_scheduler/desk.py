"""What people and agents ask for: new jobs, lists, changes."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from jackfield_sdk import Event, InvalidArgument, NotFound, PluginContext

from jackfield_scheduler.clockwork import Clockwork
from jackfield_scheduler.job import LONGEST_TEXT, Job, State
from jackfield_scheduler.schedule import parse
from jackfield_scheduler.store import Store, job_id
from jackfield_scheduler.targets import Targets

_CRON = re.compile(r"[\d*?][\d*/,\-?]*$")
_CRON_WORD = re.compile(r"[\w*/,\-?#]+$")
_QUOTED = re.compile(r"\s*[\"“']([^\"”']+)[\"”']\s*(.*)", re.S)


@dataclass(frozen=True, slots=True)
class Wish:
    """A job as it is asked for. `key` names the request: a repeat adds none."""

    bot: str
    chat: str
    creator: str
    schedule: str
    text: str
    key: str
    kind: str = "message"
    target: str = "origin"
    missed: str = "late"
    on_failure: str = ""
    zone: str = ""


class Desk:
    """Checks and keeps. `now` in UTC."""

    def __init__(
        self,
        plugin: PluginContext,
        store: Store,
        targets: Targets,
        clockwork: Clockwork,
        now: Callable[[], datetime],
    ) -> None:
        self._plugin = plugin
        self.store = store
        self.targets = targets
        self._clockwork = clockwork
        self.now = now

    @property
    def zone(self) -> str:
        """The zone of those who name none."""
        return str(self._plugin.config.get("time_zone") or "UTC")

    async def add(self, wish: Wish) -> Job:
        """A new job, durable when this returns. Raises InvalidArgument, NotFound, Overloaded."""
        if not wish.text.strip() or len(wish.text) > LONGEST_TEXT:
            raise InvalidArgument(
                f"the text of a job has 1 to {LONGEST_TEXT} characters", metadata={"field": "text"}
            )
        now = self.now()
        schedule = parse(wish.schedule, wish.zone or self.zone, now)
        job = Job(
            id=job_id(wish.bot, wish.chat, wish.key),
            bot=wish.bot,
            chat=wish.chat,
            creator=wish.creator,
            kind=wish.kind,
            text=wish.text,
            schedule=schedule.text,
            zone=schedule.zone,
            created=now.isoformat(),
            target=wish.target,
            missed=wish.missed,
            on_failure=wish.on_failure,
        )
        known = await self.store.get(job.id)
        if known is not None:
            return known
        job = replace(job, due=job.next_due(now))
        if not job.due:
            raise InvalidArgument(f"{wish.schedule!r} is in the past", metadata={"field": "schedule"})
        for target in filter(None, (wish.target, wish.on_failure)):
            await self.targets.of(job, target)
        job = await self.store.add(job, int(self._plugin.config.get("max_jobs_per_chat") or 20))
        self._clockwork.woken.set()
        return job

    async def change(self, name: str, verb: str, at: datetime) -> Job:
        """`pause`, `resume` or `run`, asked for at this time: a repeat runs nothing again. Raises NotFound, InvalidArgument."""
        changes = {"pause": _paused, "resume": self._resumed, "run": lambda job: _run_now(job, at)}
        job = await self.store.change(name, changes[verb])
        self._clockwork.woken.set()
        return job

    async def job(self, name: str) -> Job:
        """One job. Raises NotFound."""
        job = await self.store.get(name)
        if job is None:
            raise NotFound(f"there is no job {name!r}", remedy="See /jobs.")
        return job

    def _resumed(self, job: Job) -> Job:
        if job.state is not State.PAUSED:
            return job
        return replace(job, state=State.ACTIVE, due=job.next_due(self.now()) or job.due)


def _run_now(job: Job, at: datetime) -> Job:
    due = at.isoformat()
    known = (job.running, *job.runs) if job.running is not None else job.runs
    if any(run.due == due for run in known):
        return job
    if job.running is not None or job.state is State.PAUSED:
        raise InvalidArgument(
            f"job {job.id} {'runs already' if job.running else 'is paused; resume it first'}"
        )
    return replace(job, state=State.ACTIVE, due=due)


def _paused(job: Job) -> Job:
    if job.state is State.DONE:
        raise InvalidArgument(f"job {job.id} is done")
    return replace(job, state=State.PAUSED)


def cut(text: str) -> tuple[str, str]:
    """A schedule in front of a text, quoted or not. Raises InvalidArgument."""
    if match := _QUOTED.match(text):
        return match[1], match[2].strip()
    words = text.split()
    if not words:
        raise InvalidArgument("a schedule and a text are needed", metadata={"field": "schedule"})
    count = 1
    if words[0].lower() == "every":
        count = 2
    elif len(words) > 5 and _CRON.match(words[0]) and all(map(_CRON_WORD.match, words[:5])):
        count = 5
    elif re.fullmatch(r"\d{4}-\d\d-\d\d", words[0]) and len(words) > 1 and re.match(r"\d\d:\d\d", words[1]):
        count = 2
    parts = text.split(None, count)
    return " ".join(parts[:count]), parts[count].strip() if len(parts) > count else ""


def place_of(event: Event) -> tuple[str, str, str]:
    """Bot, chat and sender. Raises InvalidArgument for an event without a chat."""
    if event.chat is None or not event.bot:
        raise InvalidArgument("a job belongs to a chat, and this has none")
    return event.bot, str(event.chat), event.sender.id if event.sender is not None else ""
