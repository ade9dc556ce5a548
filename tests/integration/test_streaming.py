"""A reply that grows while it is written: whoever dies in the middle, the chat shows one message, and in the end all of it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from jackfield_sdk import (
    Adapter,
    Bot,
    Call,
    Chat,
    Context,
    Event,
    Message,
    MessageReceived,
    Plugin,
    SendResult,
    User,
)
from jackfield_sdk.link.bootstrap import read_bootstrap
from jackfield_sdk.runtime import Runtime
from jackfield_sdk.serve import identity_of

from tests.rig.kernel import Rig, adapter_manifest, declared, handler_manifest, routes, rule, running

pytestmark = [pytest.mark.integration, pytest.mark.slow]


class Board(Adapter):
    """A platform that can edit; `shown` is what its users see, by message id."""

    platform = "a"
    stream_interval = 0.0

    def __init__(self) -> None:
        self.shown: dict[str, str] = {}
        self.changed = asyncio.Event()
        self.bot: Bot | None = None

    async def open_bot(self, bot: Bot) -> User:
        self.bot = bot
        return User(id=bot.name)

    async def send_message(self, call: Call, message: Message) -> SendResult:
        message_id = f"m{len(self.shown) + 1}"
        self.shown[message_id] = message.plain()
        self.changed.set()
        return SendResult(message_id=message_id)

    async def edit_message(self, call: Call, message_id: str, message: Message) -> None:
        self.shown[message_id] = message.plain()
        self.changed.set()

    async def until(self, *texts: str) -> None:
        """Wait until users see exactly these messages."""
        async with asyncio.timeout(20):
            while list(self.shown.values()) != list(texts):
                self.changed.clear()
                await self.changed.wait()


def writer(gate: asyncio.Event) -> Plugin:
    """Writes `Hel`, waits, and writes the rest."""
    plugin = Plugin("h", version="0")

    @plugin.on("message.received")
    async def write(ctx: Context, event: Event) -> None:
        async with ctx.stream() as stream:
            await stream.update("Hel")
            await gate.wait()
            await stream.update("Hello")

    return plugin


def board(adapter: Adapter) -> Plugin:
    plugin = Plugin("a", version="0")
    plugin.adapter(adapter)
    return plugin


@contextlib.asynccontextmanager
async def process(rig: Rig, plugin: Plugin) -> AsyncIterator[asyncio.Task[int]]:
    """A plugin of the configuration in this event loop; killed at the end, unless it ended."""
    path = rig.data.bootstrap(plugin.name)
    async with asyncio.timeout(10):
        while not path.exists():
            await asyncio.sleep(0.01)
    task = asyncio.create_task(Runtime(plugin, read_bootstrap(str(path)), identity_of(plugin)).run())
    try:
        yield task
    finally:
        await kill(task)


async def kill(task: asyncio.Task[int]) -> None:
    """End a process without a word."""
    task.cancel()
    await asyncio.wait({task})


def config(folder: Path) -> dict[str, Any]:
    adapter = adapter_manifest(grants=("kv",), apis=["send_message", "edit_message", "stream_reply"])
    plugins = declared(folder, adapter, handler_manifest())
    return {"plugins": plugins, "routes": routes(b=[rule()])}


async def test_a_handler_that_dies_in_the_middle_goes_on_with_the_message_it_began(tmp_path: Path) -> None:
    adapter, gate = Board(), asyncio.Event()
    async with running(tmp_path, config=config(tmp_path)) as rig, process(rig, board(adapter)):
        async with process(rig, writer(gate)) as first:
            await rig.until_bots("b")
            assert adapter.bot is not None
            await rig.until(lambda status: all(one.state == "ACTIVE" for one in status.plugins))
            await publish(adapter)
            await adapter.until("Hel")
            await kill(first)
        gate.set()
        # The kernel waits for the process for a while, then asks for another one.
        await rig.until(
            lambda status: any(one.name == "h" and one.state == "STARTING" for one in status.plugins)
        )
        async with process(rig, writer(gate)):
            await adapter.until("Hello")
            await rig.until(lambda status: status.bus.done == 1)


async def test_a_kernel_that_restarts_in_the_middle_changes_nothing(tmp_path: Path) -> None:
    adapter, gate = Board(), asyncio.Event()
    async with contextlib.AsyncExitStack() as processes:
        async with running(tmp_path, config=config(tmp_path)) as first:
            await processes.enter_async_context(process(first, board(adapter)))
            await processes.enter_async_context(process(first, writer(gate)))
            await first.until_bots("b")
            await first.until(lambda status: all(one.state == "ACTIVE" for one in status.plugins))
            await publish(adapter)
            await adapter.until("Hel")
            await first.hand_over()
        gate.set()
        async with running(tmp_path, config=config(tmp_path)) as second:
            await adapter.until("Hello")
            status = await second.until(lambda status: status.bus.done == 1)
            assert status.bus.dead == 0
            await processes.aclose()


async def publish(adapter: Board) -> None:
    """Somebody writes to the bot."""
    assert adapter.bot is not None
    event = Event(
        payload=MessageReceived(message_id="1", message=Message("hi")),
        chat=Chat.private("c"),
        sender=User(id="u"),
    )
    await adapter.bot.publish(event)
