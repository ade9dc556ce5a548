"""What a run does: send its text, or hand it to a handler as an event. Both under the run's key, so that neither happens twice."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from jackfield_sdk import JackfieldError, PluginContext, Target, User

from jackfield_scheduler.job import DeliveryState, Job, Run, RunState
from jackfield_scheduler.targets import Targets

EVENT = "due"
SILENCE = frozenset({"[SILENT]", "NO_REPLY"})
MOST_ATTEMPTS = 5
FIRST_PAUSE, LONGEST_PAUSE = 5.0, 300.0
SEND_SECONDS = 60.0


class TryAgain(Exception):
    """What failed may pass by itself; try again after a while."""

    def __init__(self, message: str, after: timedelta) -> None:
        super().__init__(message)
        self.after = after


class Failed(Exception):
    """The run is over without its effect."""

    def __init__(self, message: str, run: RunState, delivery: DeliveryState) -> None:
        super().__init__(message)
        self.run = run
        self.delivery = delivery


class Effects:
    """Acts in the plugin's name."""

    def __init__(self, plugin: PluginContext, targets: Targets) -> None:
        self._plugin = plugin
        self._targets = targets

    async def work(self, job: Job, run: Run) -> Run:
        """Returns the run as it stands now. Raises TryAgain and Failed."""
        event = job.kind == "event"
        try:
            target = await self._targets.of(job, job.target)
            if event:
                await self._hand_over(job, run, target)
                return replace(run, run=RunState.WAITING, delivery=DeliveryState.PENDING)
            if job.text.strip() in SILENCE:
                return replace(run, run=RunState.OK, delivery=DeliveryState.SILENT)
            await self._plugin.send(target, job.text, key=job.run_key(run), timeout=SEND_SECONDS)
        except JackfieldError as error:
            if error.retryable and run.attempt < MOST_ATTEMPTS:
                pause = min(FIRST_PAUSE * 2 ** (run.attempt - 1), LONGEST_PAUSE)
                raise TryAgain(str(error), timedelta(seconds=max(pause, error.retry_after or 0))) from error
            if event:
                raise Failed(str(error), RunState.FAILED, DeliveryState.NONE) from error
            raise Failed(str(error), RunState.OK, DeliveryState.FAILED) from error
        return replace(run, run=RunState.OK, delivery=DeliveryState.DELIVERED)

    async def tell_failure(self, job: Job, run: Run) -> None:
        """A word to the job's failure target, else to the configured one, once. That it cannot be told is logged, no more."""
        where = job.on_failure or self._plugin.config.get("failure_target") or ""
        if not where:
            return
        text = f"Job {job.id} failed: {run.error}"
        key = f"{job.run_key(run)}/failed"
        try:
            await self._plugin.send(await self._targets.of(job, where), text, key=key, timeout=SEND_SECONDS)
        except (JackfieldError, ValueError) as error:
            self._plugin.log.error("the failure of job %s could not be told to %s: %s", job.id, where, error)

    async def _hand_over(self, job: Job, run: Run, target: Target) -> None:
        data = {
            "job": job.id,
            "prompt": job.text,
            "due": run.due,
            "late": run.late,
            "origin": f"{job.bot}:{job.chat}",
        }
        await self._plugin.publish(
            EVENT,
            data,
            id=job.run_key(run),
            bot=target.bot,
            chat=target.chat,
            subject=f"job-{job.id}",
            sender=User(id=job.creator) if job.creator else None,
        )
