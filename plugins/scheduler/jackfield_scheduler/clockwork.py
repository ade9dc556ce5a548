"""Runs what is due. A run is durable before its effect, the effect carries the run's key, and its end is committed last: a process that
dies at any step leaves something that the next one takes up, and the kernel answers a repeated effect with what it recorded."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from google.protobuf.duration_pb2 import Duration
from jackfield.v1 import kernel_pb2
from jackfield_sdk import Conflict, JackfieldError, PluginContext

from jackfield_scheduler.effects import Effects, Failed, TryAgain
from jackfield_scheduler.job import DeliveryState, Job, Run, RunState, State
from jackfield_scheduler.store import Lost, Store

LEASE = "scheduler/clock"
LEASE_SECONDS = 30
LONGEST_NAP = 10.0
# Whoever is later than this has missed the time: the process or the machine was away.
GRACE = timedelta(seconds=60)
AT_ONCE = 16


class Clockwork:
    """`now` gives the time in UTC, for tests."""

    def __init__(
        self, plugin: PluginContext, store: Store, effects: Effects, now: Callable[[], datetime]
    ) -> None:
        self._plugin = plugin
        self._store = store
        self._effects = effects
        self._now = now
        self._running: dict[str, asyncio.Task[None]] = {}
        self._room = asyncio.Semaphore(AT_ONCE)
        self.woken = asyncio.Event()

    async def run(self) -> None:
        """For ever; ends by being cancelled."""
        try:
            while True:
                self.woken.clear()
                try:
                    nap = await self.tick()
                except JackfieldError as error:
                    self._plugin.log.warning("the jobs could not be read, next look in 2 s: %s", error)
                    nap = 2.0
                try:
                    async with asyncio.timeout(nap):
                        await self.woken.wait()
                except TimeoutError:
                    continue
        finally:
            await self.close()

    async def close(self) -> None:
        """Stop what runs; the next process takes it up."""
        for task in list(self._running.values()):
            task.cancel()
        await self.settled()

    async def settled(self) -> None:
        """Wait for all runs under way."""
        await asyncio.gather(*self._running.values(), return_exceptions=True)

    async def tick(self) -> float:
        """Begin what is due and take up what was begun. Returns the seconds until the next look."""
        try:
            fence = await self._lease()
        except Conflict:
            return LONGEST_NAP / 2
        now = self._now()
        nearest = now + timedelta(seconds=LONGEST_NAP)
        for job in await self._store.all():
            if job.id in self._running:
                continue
            if job.running is not None:
                at = datetime.fromisoformat(job.running.next_try) if job.running.next_try else now
            elif (due := job.due_at) is not None:
                at = due
            else:
                continue
            if at <= now:
                self._begin(job, fence)
            else:
                nearest = min(nearest, at)
        return max(0.05, (nearest - now).total_seconds())

    def _begin(self, job: Job, fence: int) -> None:
        task = asyncio.create_task(self._run(job, fence), name=f"job {job.id}")
        self._running[job.id] = task

        def ended(done: asyncio.Task[None]) -> None:
            self._running.pop(job.id, None)
            self.woken.set()
            if not done.cancelled() and (error := done.exception()) is not None:
                self._plugin.log.error("job %s could not be run, it is tried again: %s", job.id, error)

        task.add_done_callback(ended)

    async def _run(self, job: Job, fence: int) -> None:
        async with self._room:
            try:
                if job.running is None:
                    job = await self._store.change(job.id, lambda one: self._started(one, fence), fence)
                if job.running is not None:
                    await self._carry(job, job.running, fence)
            except Lost:
                self._plugin.log.info("job %s is run by another process", job.id)

    def _started(self, job: Job, fence: int) -> Job:
        """The job with its run begun, and its next time told: a job that was away is late once, without a backlog."""
        now, due = self._now(), job.due_at
        if job.running is not None or due is None or due > now:
            return job
        late = now - due > GRACE
        run = Run(due=due.isoformat(), started=now.isoformat(), late=late)
        job = replace(job, due=job.next_due(now), fence=fence)
        if late and job.missed == "skip":
            return _closed(
                job, replace(run, run=RunState.SKIPPED, delivery=DeliveryState.NONE, ended=run.started)
            )
        return replace(job, running=run)

    async def _carry(self, job: Job, run: Run, fence: int) -> None:
        """The effect, and its end."""
        try:
            result = await self._effects.work(job, run)
        except TryAgain as again:
            at = (self._now() + again.after).isoformat()
            result = replace(run, attempt=run.attempt + 1, next_try=at, error=str(again))
            await self._store.change(job.id, lambda one: _retried(one, run, result), fence)
            return
        except Failed as failed:
            result = replace(run, run=failed.run, delivery=failed.delivery, error=str(failed))
            self._plugin.log.error("job %s failed: %s", job.id, failed)
            await self._effects.tell_failure(job, result)
        result = replace(result, ended=self._now().isoformat(), next_try="")
        await self._store.change(job.id, lambda one: _ended(one, run, result), fence)

    async def _lease(self) -> int:
        request = kernel_pb2.AcquireLeaseRequest(
            name=LEASE, ttl=Duration(seconds=LEASE_SECONDS), holder="scheduler"
        )
        return (await self._plugin.kernel("AcquireLease", request, kernel_pb2.AcquireLeaseResponse)).token


def _retried(job: Job, run: Run, result: Run) -> Job:
    return replace(job, running=result) if job.running is not None and job.running.due == run.due else job


def _ended(job: Job, run: Run, result: Run) -> Job:
    return _closed(job, result) if job.running is not None and job.running.due == run.due else job


def _closed(job: Job, run: Run) -> Job:
    job = job.ended(run)
    return replace(job, state=State.DONE) if not job.due else job


def utc_now() -> datetime:
    """The time."""
    return datetime.now(UTC)
