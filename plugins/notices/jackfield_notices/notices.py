"""Observes the kernel's own events and tells a chat, at most once per pause."""

from __future__ import annotations

import asyncio

from jackfield_sdk import Event, JackfieldError, Plugin, PluginContext
from jackfield_sdk.payload import CustomEvent

from jackfield_notices import __version__
from jackfield_notices.digest import Digest
from jackfield_notices.settings import read

PREFIX = "kernel."
GATHER_SECONDS = 2.0
"""A fault seldom comes alone: what follows at once goes into the same notice."""
SEND_SECONDS = 60.0
LONGEST_RETRY = 600.0


def build(gather: float = GATHER_SECONDS, retry: float = 5.0) -> Plugin:
    """The plugin, ready to run. `gather` and `retry` in seconds."""
    plugin = Plugin("notices", version=__version__)
    tasks: list[asyncio.Task[None]] = []
    digests: list[Digest] = []

    @plugin.setup
    async def start(context: PluginContext) -> None:
        digest = Digest(context.kv)
        await digest.load()
        digests[:] = [digest]
        task = asyncio.create_task(tell(context, digest, gather, retry), name="notices")
        task.add_done_callback(lambda done: _report(context, done))
        tasks.append(task)

    @plugin.observe("kernel.*")
    async def observed(context: PluginContext, event: Event) -> None:
        occasion = event.type.removeprefix(PREFIX)
        payload = event.payload
        # Only the kernel's own word counts, whatever type an adapter may write.
        if event.plugin != "kernel" or not isinstance(payload, CustomEvent):
            return
        values = payload.data or {}
        # What a notice itself caused is not told: nothing leads back here.
        if values.get("handler") == context.name or occasion not in read(context.config).occasions:
            return
        await digests[0].add(event.id, occasion, values)

    @plugin.teardown
    async def stop(context: PluginContext) -> None:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    return plugin


async def tell(context: PluginContext, digest: Digest, gather: float, retry: float) -> None:
    """Send what there is to tell, for ever: one notice for many, then a pause."""
    wait = retry
    while True:
        digest.changed.clear()
        settings = read(context.config)
        if not digest.waits or not settings.target:
            await digest.changed.wait()
            continue
        if not digest.sending:
            await asyncio.sleep(gather)
        await digest.freeze(settings.language)
        try:
            await context.send(settings.target, digest.sending, key=digest.key, timeout=SEND_SECONDS)
        except (JackfieldError, ValueError) as error:
            # The chat may be out of reach for as long as the bot that failed: the notice waits, and grows no others.
            context.log.warning("the notice is not sent yet, next try in %g s: %s", wait, error)
            await asyncio.sleep(wait)
            wait = min(2 * wait, LONGEST_RETRY)
            continue
        wait = retry
        await digest.sent()
        await asyncio.sleep(settings.every)


def _report(context: PluginContext, task: asyncio.Task[None]) -> None:
    """Telling ends by being cancelled; anything else must be seen."""
    if not task.cancelled() and (error := task.exception()) is not None:
        context.log.error("notices are not sent any more", exc_info=error)
        context.not_ready(f"notices are not sent: {error}", "Restart the plugin and report its log.")
