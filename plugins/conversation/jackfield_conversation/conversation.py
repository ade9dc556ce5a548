"""The plugin: service, commands, expiry and the word to forget a person put together."""

from __future__ import annotations

import asyncio
import time

from jackfield_sdk import Event, Plugin, PluginContext
from jackfield_sdk.payload import CustomEvent

from jackfield_conversation import __version__
from jackfield_conversation.commands import ChatCommands
from jackfield_conversation.database import Database
from jackfield_conversation.expiry import expire
from jackfield_conversation.herald import Herald
from jackfield_conversation.service import ConversationService
from jackfield_conversation.store import Clock, Store

FILE = "conversations.sqlite3"
FORGOTTEN = "jackfield.user_forgotten"


def wall_clock() -> int:
    """Microseconds since 1970."""
    return time.time_ns() // 1000


def build(clock: Clock = wall_clock, expire_every: float = 60.0) -> Plugin:
    """The plugin, ready to run. `expire_every` in seconds."""
    plugin = Plugin("conversation", version=__version__)
    service = plugin.service(ConversationService())
    stores: list[Store] = []
    contexts: list[PluginContext] = []
    tasks: list[asyncio.Task[None]] = []

    commands = ChatCommands(lambda: stores[0], lambda: contexts[0].config)
    for name, answer in commands.answers.items():
        plugin.command(name)(answer)

    @plugin.setup
    async def start(context: PluginContext) -> None:
        database = await asyncio.to_thread(Database, context.data_dir / FILE)
        if not database.parts_of_words:
            context.log.warning(
                "this SQLite has no trigram index: parts of words are not found, whole words are"
            )
        herald = Herald(context)
        store = Store(database, herald, clock)
        stores[:], contexts[:] = [store], [context]
        service.start(store)
        tasks[:] = [
            _watched(context, herald.run(), "events for observers"),
            _watched(context, expire(context, store, expire_every), "expiry"),
        ]

    @plugin.observe(FORGOTTEN)
    async def forgotten(context: PluginContext, event: Event) -> None:
        payload = event.payload
        # Only the kernel's own word counts, whatever type an adapter may write.
        if event.plugin != "kernel" or not isinstance(payload, CustomEvent):
            return
        values = payload.data or {}
        if user := str(values.get("user") or ""):
            gone = await stores[0].forget(user, str(values.get("bot") or ""))
            context.log.info("a person was forgotten: %d conversations, %d turns", *gone)

    @plugin.teardown
    async def stop(context: PluginContext) -> None:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for store in stores:
            await asyncio.to_thread(store.database.close)
        stores.clear()

    return plugin


def _watched(context: PluginContext, work: object, name: str) -> asyncio.Task[None]:
    """A task that ends by being cancelled; anything else must be seen."""
    assert asyncio.iscoroutine(work)
    task: asyncio.Task[None] = asyncio.create_task(work, name=name)

    def ended(done: asyncio.Task[None]) -> None:
        if not done.cancelled() and (error := done.exception()) is not None:
            context.log.error("%s ended", name, exc_info=error)
            context.not_ready(f"{name} ended: {error}", "Restart the plugin and report its log.")

    task.add_done_callback(ended)
    return task
