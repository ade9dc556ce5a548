"""Jobs and home channels in the kernel's store. A job is durable when a method returns, and changed only by compare-and-set."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import timedelta

from jackfield_sdk import Conflict, Kv, NotFound, Overloaded

from jackfield_scheduler.job import Job, State

MOST_JOBS = 1000
KEEP_DONE = timedelta(days=7)
_JOB, _HOME = "job/", "home/"


class Lost(Exception):
    """Another process has the clock: a later fence stands in the job."""


class Store:
    """The plugin's own keys."""

    def __init__(self, kv: Kv) -> None:
        self._kv = kv

    async def all(self) -> list[Job]:
        """Every job, by id."""
        found: list[Job] = []
        after = ""
        while True:
            entries = await self._kv.list(_JOB, after=after, limit=100)
            found += [Job.of(entry.value) for entry in entries]
            if len(entries) < 100:
                return found
            after = entries[-1].key

    async def get(self, job_id: str) -> Job | None:
        """One job."""
        value = await self._kv.get(_JOB + job_id)
        return Job.of(value) if value is not None else None

    async def add(self, job: Job, most_in_chat: int) -> Job:
        """Keep a new job; a repeat finds the one that it added. Raises Overloaded when there are too many."""
        jobs = await self.all()
        known = next((one for one in jobs if one.id == job.id), None)
        if known is not None:
            return known
        living = [one for one in jobs if one.state is not State.DONE]
        here = sum(one.bot == job.bot and one.chat == job.chat for one in living)
        if len(living) >= MOST_JOBS or here >= most_in_chat:
            raise Overloaded(
                "there are too many jobs already; remove one first", metadata={"jobs": str(here)}
            )
        try:
            await self._kv.cas(_JOB + job.id, job.to_text(), 0)
        except Conflict:
            return await self.get(job.id) or job
        return job

    async def change(self, job_id: str, change: Callable[[Job], Job], fence: int | None = None) -> Job:
        """Change a job whatever else changes it meanwhile. With `fence`, raises Lost where a later one stands. Raises NotFound."""
        while True:
            entry = await self._kv.entry(_JOB + job_id)
            if entry is None:
                raise NotFound(f"there is no job {job_id!r}", remedy="See /jobs.")
            job = Job.of(entry.value)
            if fence is not None and job.fence > fence:
                raise Lost
            changed = change(job)
            if changed == job:
                return job
            ttl = KEEP_DONE if changed.state is State.DONE and changed.running is None else None
            try:
                await self._kv.cas(_JOB + job_id, changed.to_text(), entry.version or 0, ttl=ttl)
            except Conflict:
                continue
            return changed

    async def remove(self, job_id: str) -> None:
        """Forget a job. Raises NotFound."""
        if await self.get(job_id) is None:
            raise NotFound(f"there is no job {job_id!r}", remedy="See /jobs.")
        await self._kv.delete(_JOB + job_id)

    async def home(self, bot: str) -> str:
        """The home channel that was chosen in a chat; empty when none was."""
        return await self._kv.get_text(_HOME + bot)

    async def set_home(self, bot: str, chat: str) -> None:
        """Choose one."""
        await self._kv.put(_HOME + bot, chat)


def job_id(*parts: str) -> str:
    """The same for the same request: a repeat adds no second job."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:8]
