"""Puts the plugin together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime

from jackfield_sdk import Event, Plugin, PluginContext

from jackfield_scheduler import __version__, commands
from jackfield_scheduler.clockwork import utc_now
from jackfield_scheduler.outcomes import DEAD, ENDED
from jackfield_scheduler.scene import Scene
from jackfield_scheduler.tools import JobTools


def build(now: Callable[[], datetime] = utc_now, scene: Scene | None = None, *, ticks: bool = True) -> Plugin:
    """The plugin, ready to run. Tests turn the clock by hand: `ticks` off."""
    plugin = Plugin("scheduler", version=__version__)
    scene = scene or Scene()
    tasks: list[asyncio.Task[None]] = []

    @plugin.setup
    async def start(context: PluginContext) -> None:
        scene.open(context, now)
        if ticks:
            task = asyncio.create_task(scene.clockwork.run(), name="clockwork")
            task.add_done_callback(lambda done: _report(context, done))
            tasks.append(task)

    @plugin.observe(ENDED)
    async def ended(context: PluginContext, event: Event) -> None:
        await scene.outcomes.observe(event)

    @plugin.observe(DEAD)
    async def dead(context: PluginContext, event: Event) -> None:
        await scene.outcomes.observe(event)

    @plugin.teardown
    async def stop(context: PluginContext) -> None:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    commands.register(plugin, scene)
    plugin.service(JobTools(scene))
    return plugin


def _report(context: PluginContext, task: asyncio.Task[None]) -> None:
    """The clock ends by being cancelled; anything else must be seen."""
    if not task.cancelled() and (error := task.exception()) is not None:
        context.log.error("jobs do not run any more", exc_info=error)
        context.not_ready(f"jobs do not run: {error}", "Restart the plugin and report its log.")
