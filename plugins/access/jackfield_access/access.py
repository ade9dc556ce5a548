"""The plugin: strangers, commands, and keeping the kernel's sender sets equal to what was decided."""

from __future__ import annotations

import asyncio
import os
import secrets
from pathlib import Path

from jackfield.v1 import kernel_pb2
from jackfield_sdk import (
    CommandContext,
    Context,
    Event,
    JackfieldError,
    Plugin,
    PluginContext,
    Target,
    wellknown,
)

from jackfield_access import __version__
from jackfield_access.codes import Codes
from jackfield_access.commands import Answer, Desk
from jackfield_access.people import People
from jackfield_access.sets import Sets
from jackfield_access.strangers import Door

WATCH = "/jackfield.v1.Kernel/WatchCatalog"
KEY_FILE = "codes.key"
_WATCH_SECONDS = 3_600.0
CONFIG_SECONDS = 1.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 10.0


class Access:
    """The parts of one run."""

    def __init__(self, plugin: PluginContext, key: bytes) -> None:
        self.plugin = plugin
        self.people = People(plugin.kv)
        self.sets = Sets(plugin, self.people)
        codes = Codes(plugin.kv, key)
        self.door = Door(self.people, codes, self.sets)
        self.desk = Desk(self.people, codes, self.sets, lambda: plugin.config)

    async def synchronize(self, *, again: bool = False) -> None:
        """Push the sets of every bot that there is. Raises what the kernel answers."""
        request = kernel_pb2.GetCatalogRequest()
        catalog = await self.plugin.kernel("GetCatalog", request, kernel_pb2.GetCatalogResponse)
        await self.sets.push_all((bot.name for bot in catalog.bots), again=again)
        self.sets.guard(added_bots(catalog))

    async def follow(self) -> None:
        """Every note of the kernel brings the sets up to date, for ever; a new watch pushes them all again."""
        pause, again = _FIRST_PAUSE, False
        while True:
            try:
                notes = self.plugin.call_stream(
                    WATCH,
                    kernel_pb2.WatchCatalogRequest(),
                    kernel_pb2.WatchCatalogResponse,
                    target=Target(plugin="kernel"),
                    timeout=_WATCH_SECONDS,
                )
                async for _ in notes:
                    await self.synchronize(again=again)
                    pause, again = _FIRST_PAUSE, False
            except JackfieldError as error:
                # The kernel restarts, or the watch ran its time: it is opened again.
                self.plugin.log.debug("the watch of the catalog ended: %s", error)
            again = True
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    async def follow_configuration(self) -> None:
        """A changed configuration holds within a second, without a restart."""
        seen = self.plugin.config
        while True:
            await asyncio.sleep(CONFIG_SECONDS)
            if (now := self.plugin.config) != seen:
                try:
                    await self.synchronize()
                except JackfieldError as error:
                    self.plugin.log.warning("the new configuration is not pushed yet: %s", error)
                else:
                    seen = now


def added_bots(catalog: kernel_pb2.GetCatalogResponse) -> list[str]:
    """Bots that the operator added: all but those that their adapter brings along. Only these stand behind this plugin."""
    provides = {
        one.name: wellknown.struct_to_plain(one.manifest).get("provides") or {} for one in catalog.plugins
    }
    brought = {
        (adapter, bot.get("name"))
        for adapter, table in provides.items()
        for bot in table.get("default_bots", ())
    }
    return [bot.name for bot in catalog.bots if (bot.adapter, bot.name) not in brought]


def build() -> Plugin:
    """The plugin, ready to run."""
    plugin = Plugin("access", version=__version__)
    runs: list[Access] = []
    tasks: list[asyncio.Task[None]] = []

    @plugin.setup
    async def start(context: PluginContext) -> None:
        access = Access(context, await asyncio.to_thread(secret_key, context.data_dir / KEY_FILE))
        await access.people.load()
        await access.synchronize()
        runs[:] = [access]
        tasks[:] = [
            asyncio.create_task(access.follow(), name="access upkeep"),
            asyncio.create_task(access.follow_configuration(), name="access configuration"),
        ]
        for task in tasks:
            task.add_done_callback(lambda done: _report(context, done))

    @plugin.on("*")
    async def stranger(ctx: Context, event: Event) -> None:
        access = runs[0]
        await access.door.answer(ctx, event, access.plugin.config)

    for name in ("pair", "allow", "block", "revoke", "users"):
        plugin.command(name)(_command(runs, name))

    @plugin.teardown
    async def stop(context: PluginContext) -> None:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    return plugin


def _command(runs: list[Access], name: str) -> Answer:
    async def answer(ctx: CommandContext, args: str) -> str:
        return await runs[0].desk.answers[name](ctx, args)

    return answer


def secret_key(path: Path) -> bytes:
    """The key that codes are derived with, made at the first start; only the plugin's user can read it."""
    if path.exists():
        return path.read_bytes()
    fresh = secrets.token_bytes(32)
    draft = path.with_suffix(".new")
    draft.unlink(missing_ok=True)
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(fresh)
        file.flush()
        os.fsync(file.fileno())
    draft.rename(path)
    return fresh


def _report(context: PluginContext, task: asyncio.Task[None]) -> None:
    """Upkeep ends by being cancelled; anything else must be seen."""
    if not task.cancelled() and (error := task.exception()) is not None:
        context.log.error("the upkeep of the sender sets failed", exc_info=error)
        context.not_ready(
            f"sender sets are not kept up to date: {error}", "Restart the plugin and report its log."
        )
