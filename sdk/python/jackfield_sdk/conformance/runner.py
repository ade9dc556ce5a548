"""Runs the cases one after another, each within a deadline."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from jackfield_sdk.conformance.case import Case, Failure, Outcome, Result, Skip
from jackfield_sdk.conformance.catalogue import catalogue
from jackfield_sdk.conformance.declared import Declared
from jackfield_sdk.conformance.platform import Cannot, LocalPlatform
from jackfield_sdk.conformance.process import AdapterDied
from jackfield_sdk.conformance.stage import Stage, staged
from jackfield_sdk.errors import JackfieldError

CASE_SECONDS = 15.0


@dataclass(frozen=True)
class Run:
    """One run of the kit on one adapter."""

    declared: Declared
    results: tuple[Result, ...]
    started: datetime
    seconds: float
    run_id: str
    endpoint: str
    secrets: tuple[str, ...] = field(default=(), repr=False)

    def count(self, outcome: Outcome) -> int:
        """How many cases ended so."""
        return sum(result.outcome is outcome for result in self.results)

    @property
    def ok(self) -> bool:
        """Nothing failed."""
        return self.count(Outcome.FAIL) == 0


async def run(
    declared: Declared,
    platform: LocalPlatform,
    *,
    only: Sequence[str] = (),
    told: Callable[[Result], None] = lambda result: None,
    clock: Callable[[], float] = time.monotonic,
) -> Run:
    """Runs the kit; `told` hears each result as it comes. Raises AdapterDied when the adapter does not start."""
    started, begun = datetime.now(UTC), clock()
    results = []
    async with staged(declared, platform) as stage:
        for case in catalogue(declared, tuple(only)):
            result = await _judge(case, stage, clock)
            results.append(result)
            told(result)
        secrets = tuple(declared.secrets(platform.bot_config()))
    return Run(
        declared=declared,
        results=tuple(results),
        started=started,
        seconds=clock() - begun,
        run_id=uuid.uuid4().hex[:12],
        endpoint=f"{type(platform).__module__}:{type(platform).__name__}",
        secrets=secrets,
    )


async def _judge(case: Case, stage: Stage, clock: Callable[[], float]) -> Result:
    stage.steps = []
    begun = clock()
    outcome, reason = Outcome.PASS, ""
    try:
        async with asyncio.timeout(CASE_SECONDS):
            await stage.fresh()
            await case.run(stage)
    except (Skip, Cannot) as error:
        outcome, reason = Outcome.SKIP, str(error)
    except TimeoutError:
        outcome, reason = Outcome.FAIL, f"nothing came within {CASE_SECONDS:.0f} s; {_last(stage)}"
    except (Failure, JackfieldError, AdapterDied) as error:
        outcome, reason = Outcome.FAIL, str(error)
    except Exception as error:  # noqa: BLE001 - a fault of fixture or kit fails its case, not the run
        outcome, reason = Outcome.FAIL, f"the case broke: {type(error).__name__}: {error}"
    return Result(case, outcome, clock() - begun, reason, tuple(stage.steps))


def _last(stage: Stage) -> str:
    published = [one.event.type for one in stage.kernel.published[-3:]]
    seen = [one.action for one in stage.platform.seen[-3:]]
    return f"last events {published}, last seen on the platform {seen}"
