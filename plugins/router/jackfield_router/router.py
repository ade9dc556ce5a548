"""The plugin: service, rules and upkeep put together."""

from __future__ import annotations

import asyncio
import time

from jackfield_sdk import Plugin, PluginContext

from jackfield_router import __version__
from jackfield_router.policy import Clock, Policy
from jackfield_router.service import RouterService
from jackfield_router.store import RuleStore
from jackfield_router.upkeep import synchronize, upkeep


def build(clock: Clock = time.monotonic) -> Plugin:
    """The plugin, ready to run."""
    plugin = Plugin("router", version=__version__)
    service = RouterService()
    plugin.service(service)
    tasks: list[asyncio.Task[None]] = []

    @plugin.setup
    async def start(context: PluginContext) -> None:
        policy = Policy(context, RuleStore(context.kv), clock)
        await policy.load()
        await synchronize(policy, context)
        service.start(policy)
        task = asyncio.create_task(upkeep(policy, context, clock), name="router upkeep")
        task.add_done_callback(lambda done: _report(context, done))
        tasks.append(task)

    @plugin.teardown
    async def stop(context: PluginContext) -> None:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    return plugin


def _report(context: PluginContext, task: asyncio.Task[None]) -> None:
    """Upkeep ends by being cancelled; anything else must be seen."""
    if not task.cancelled() and (error := task.exception()) is not None:
        context.log.error("the upkeep of the tables failed", exc_info=error)
        context.not_ready(
            f"the tables are not kept up to date: {error}", "Restart the plugin and report its log."
        )
