"""What goes on beside the calls: following the catalog, ending temporary rules."""

from __future__ import annotations

import asyncio

from jackfield.v1 import kernel_pb2
from jackfield_sdk import JackfieldError, PluginContext, Target

from jackfield_router.policy import Clock, Policy

WATCH = "/jackfield.v1.Kernel/WatchCatalog"
_WATCH_SECONDS = 3_600.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 10.0


async def synchronize(policy: Policy, context: PluginContext, *, again: bool = False) -> None:
    """Bring the tables up to date and say whether that worked. Raises retryable errors of the kernel."""
    problems = await policy.sync(again=again)
    if problems:
        context.not_ready(problems[0])
    else:
        context.ready()


async def upkeep(policy: Policy, context: PluginContext, clock: Clock) -> None:
    """Runs until it is cancelled."""
    async with asyncio.TaskGroup() as group:
        group.create_task(_follow_catalog(policy, context))
        group.create_task(_end_rules(policy, context, clock))


async def _follow_catalog(policy: Policy, context: PluginContext) -> None:
    """Every note of the kernel brings the tables up to date; a new watch pushes them all again."""
    pause = _FIRST_PAUSE
    again = False
    while True:
        try:
            notes = context.call_stream(
                WATCH,
                kernel_pb2.WatchCatalogRequest(),
                kernel_pb2.WatchCatalogResponse,
                target=Target(plugin="kernel"),
                timeout=_WATCH_SECONDS,
            )
            async for _ in notes:
                await synchronize(policy, context, again=again)
                again, pause = False, _FIRST_PAUSE
        except JackfieldError as error:
            # The kernel restarts, or the watch ran its time: it is opened again.
            context.log.debug("the watch of the catalog ended: %s", error)
        again = True
        await asyncio.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)


async def _end_rules(policy: Policy, context: PluginContext, clock: Clock) -> None:
    while True:
        policy.timers_changed.clear()
        due = policy.next_expiry()
        try:
            async with asyncio.timeout(None if due is None else max(0.0, due - clock())):
                await policy.timers_changed.wait()
        except TimeoutError:
            try:
                await policy.expire()
            except JackfieldError as error:
                # The rules are gone here; the kernel's table follows at the next note of the catalog.
                context.log.warning("a table without ended rules is not pushed yet: %s", error)
