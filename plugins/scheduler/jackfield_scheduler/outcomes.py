"""How the events of jobs ended, as observed: by the agent's own word, or by a dead letter."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from jackfield_sdk import CustomEvent, Event, NotFound

from jackfield_scheduler.effects import SILENCE, Effects
from jackfield_scheduler.job import DeliveryState, Job, Run, RunState, job_of
from jackfield_scheduler.store import Store

ENDED, DEAD = "agent.ended", "kernel.dead_letter"


class Outcomes:
    """Writes them into the jobs' histories. Seeing an event twice changes nothing."""

    def __init__(self, store: Store, effects: Effects, now: Callable[[], datetime]) -> None:
        self._store = store
        self._effects = effects
        self._now = now

    async def observe(self, event: Event) -> None:
        """One event; those of others are passed over."""
        data = event.payload.data or {} if isinstance(event.payload, CustomEvent) else {}
        if event.type == ENDED:
            # The event, or the delivery of it (`<event>.<step>`), that the answer belongs to: ids of runs have no dot.
            name, end = event.cause.partition(".")[0], _of_answer(data)
        elif event.type == DEAD and event.plugin == "kernel":
            name = str(data.get("delivery_id", "")).partition(".")[0]
            end = (RunState.FAILED, DeliveryState.FAILED, f"dead letter: {data.get('reason', '')}")
        else:
            return
        job_id = job_of(name)
        job = await self._store.get(job_id) if job_id else None
        if job is None:
            return
        run = next((one for one in _runs(job) if job.run_key(one) == name), None)
        if run is None or run.run not in (RunState.WAITING, RunState.RUNNING):
            return
        state, delivery, error = end
        result = replace(run, run=state, delivery=delivery, error=error, ended=self._now().isoformat())
        if result.failed:
            await self._effects.tell_failure(job, result)
        try:
            await self._store.change(job_id, lambda one: _settled(one, result))
        except NotFound:
            # Removed meanwhile: there is no history to write.
            return


def _settled(job: Job, result: Run) -> Job:
    """The end may be seen before the hand-over is committed: then it is the run's end."""
    if job.running is not None and job.running.due == result.due:
        job = job.ended(result)
        return job if job.due else replace(job, state=type(job.state).DONE)
    return job.with_run(result)


def _runs(job: Job) -> tuple[Run, ...]:
    return (job.running, *job.runs) if job.running is not None else job.runs


def _of_answer(data: dict[str, object]) -> tuple[RunState, DeliveryState, str]:
    if data.get("outcome") != "answered":
        why = f"{data.get('outcome', '')} {data.get('reason', '')}".strip()
        return RunState.FAILED, DeliveryState.DELIVERED, why
    silent = str(data.get("answer", "")).strip() in SILENCE
    return RunState.OK, DeliveryState.SILENT if silent else DeliveryState.DELIVERED, ""
