"""Half-open connections, stuck and stopped processes are found, and only what is stuck is started anew."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from jackfield.v1 import adapter_bot_pb2, admin_pb2, frame_pb2
from jackfield_sdk import Adapter, Bot, Chat, CloseReason, Event, Message, MessageReceived, Plugin, User
from jackfield_sdk.link.bootstrap import read_bootstrap
from jackfield_sdk.runtime import Runtime
from jackfield_sdk.serve import identity_of

from tests.rig.kernel import Rig, adapter_manifest, handler_manifest, routes, rule, running
from tests.rig.raw import RawPlugin, message_event

pytestmark = pytest.mark.integration

LIVENESS = {"signal": "a line", "within": "1s"}


async def says(adapter: RawPlugin, age: float) -> None:
    """A ping that tells how long the bot has not heard from its platform."""
    ping = frame_pb2.Ping(number=9)
    ping.evidence.add(bot="b").age.FromMilliseconds(int(age * 1000))
    await adapter.send(frame_pb2.Frame(ping=ping))


async def active(adapter: RawPlugin) -> None:
    """The adapter reports that its bot is connected."""
    report = frame_pb2.Report(bots=[frame_pb2.BotReport(bot="b", state=frame_pb2.BOT_STATE_ACTIVE)])
    await adapter.send(frame_pb2.Frame(report=report))


def calls(adapter: RawPlugin) -> list[str]:
    return [call.method.rpartition("/")[2] for call in adapter.served]


async def test_a_silent_bot_is_opened_again_from_its_checkpoint_with_growing_patience(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        adapter = await rig.adapter(liveness=LIVENESS)
        await adapter.publish(message_event("b", "x"), checkpoint=b"so far")
        await adapter.durable()
        await says(adapter, 0.9)
        await says(adapter, 1.5)
        await until_calls(adapter, ["OpenBot", "CloseBot", "OpenBot"])
        again = adapter_bot_pb2.OpenBotRequest.FromString(adapter.served[-1].body)
        assert again.checkpoint == b"so far"
        await rig.until_bots("b")
        # The second time in a row it has twice the time, and a proof resets that.
        await says(adapter, 1.5)
        await says(adapter, 2.5)
        await until_calls(adapter, ["OpenBot", "CloseBot", "OpenBot", "CloseBot", "OpenBot"])
        await rig.until_bots("b")
        await says(adapter, 0.1)
        await says(adapter, 1.5)
        await until_calls(adapter, ["OpenBot", *["CloseBot", "OpenBot"] * 3])


async def until_calls(adapter: RawPlugin, wanted: list[str]) -> None:
    """Wait for exactly these calls."""
    async with asyncio.timeout(10):
        while len(calls(adapter)) < len(wanted):
            await asyncio.sleep(0.01)
    assert calls(adapter) == wanted


async def test_a_bot_that_waits_for_its_platform_is_not_judged(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        adapter = await rig.adapter(liveness=LIVENESS)
        report = frame_pb2.BotReport(bot="b", state=frame_pb2.BOT_STATE_CONNECTING)
        await adapter.send(frame_pb2.Frame(report=frame_pb2.Report(bots=[report])))
        await says(adapter, 60)
        await active(adapter)
        await says(adapter, 0.5)
        await rig.until_bots("b")
        assert calls(adapter) == ["OpenBot"]


class Lines(Adapter):
    """A platform that sends a line every 0.1 s, `.` or a text."""

    platform = "lines"

    def __init__(self, port: int) -> None:
        self._port = port

    async def open_bot(self, bot: Bot) -> User:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        bot.connection = (writer, asyncio.create_task(self._read(bot, reader)))
        return User(id=bot.name)

    async def close_bot(self, bot: Bot, reason: CloseReason) -> bytes | None:
        writer, reading = bot.connection
        reading.cancel()
        writer.close()
        return None

    async def _read(self, bot: Bot, reader: asyncio.StreamReader) -> None:
        while line := await reader.readline():
            bot.alive()
            if (text := line.decode().strip()) != ".":
                payload = MessageReceived(message_id="1", message=Message(text))
                await bot.publish(Event(payload=payload, chat=Chat.private("c"), sender=User(id="u")))


class Platform:
    """Serves the lines; a connection it was told to forget stays open and is silent for ever."""

    def __init__(self) -> None:
        self.writers: list[asyncio.StreamWriter] = []
        self._all: list[asyncio.StreamWriter] = []
        self.port = 0

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.append(writer)
        self._all.append(writer)
        with contextlib.suppress(ConnectionError):
            while writer in self.writers:
                writer.write(b".\n")
                await writer.drain()
                await asyncio.sleep(0.1)

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[Platform]:
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            self.writers.clear()
            server.close()
            for writer in self._all:
                writer.close()
                with contextlib.suppress(ConnectionError):
                    await writer.wait_closed()


async def test_a_half_open_connection_is_noticed_and_replaced(tmp_path: Path) -> None:
    config = {"routes": routes(b=[rule()])}
    async with Platform().serving() as platform, running(tmp_path, config=config) as rig:
        handler = await rig.plugin(handler_manifest())
        plugin = Plugin("lines", version="0")
        plugin.adapter(Lines(platform.port))
        text = adapter_manifest("lines", liveness={"signal": "a line", "within": "1s"})
        runtime = Runtime(plugin, read_bootstrap(await rig.developed(text)), identity_of(plugin))
        serving = asyncio.create_task(runtime.run())
        await rig.until_bots("b")
        async with asyncio.timeout(10):
            while runtime.link.evidence is None or not runtime.link.evidence.ages():
                await asyncio.sleep(0.02)
        platform.writers.clear()
        async with asyncio.timeout(10):
            while not platform.writers:
                await asyncio.sleep(0.02)
        platform.writers[-1].write(b"hello\n")
        assert (await handler.delivery()).event.message_received.message.segments[0].text.text == "hello"
        runtime.finish()
        assert await serving == 0


STUCK = """\
import asyncio, time
from jackfield_sdk import Context, Event, Plugin

plugin = Plugin("{name}", version="1.0.0")

@plugin.on("message.received")
async def work(ctx: Context, event: Event) -> None:
    if event.text == "block":
        time.sleep(3600)
    while event.text == "spin":
        pass
    await ctx.reply("fine")

plugin.run()
"""

MANIFEST = """\
manifest: 1
name: {name}
version: 1.0.0
contract: 1
kind: handler
title: A test
description: A plugin of a test.
run: {{python: {name}}}
provides: {{services: [jackfield.v1.Handler]}}
grants: [reply]
"""


def written(folder: Path, name: str) -> dict[str, str]:
    """A handler in a folder, listed in the configuration."""
    place = folder / "plugins" / name
    place.mkdir(parents=True)
    (place / "__main__.py").write_text(STUCK.format(name=name))
    (place / "jackfield-plugin.yaml").write_text(MANIFEST.format(name=name))
    return {"directory": str(place)}


def pid(status: admin_pb2.Status, name: str) -> int:
    return next((int(one.pid) for one in status.plugins if one.name == name and one.state == "ACTIVE"), 0)


@contextlib.asynccontextmanager
async def two_handlers(folder: Path) -> AsyncIterator[tuple[Rig, RawPlugin]]:
    """Handlers `bad` and `good` behind one bot; the chat decides which of them gets a message."""
    rules = [rule(name, match={"chats": [name]}) for name in ("bad", "good")]
    plugins = {name: written(folder, name) for name in ("bad", "good")}
    config = {"plugins": plugins, "routes": routes(b=rules), "limits": {"drain": "1s"}}
    async with running(folder, config=config) as rig:
        adapter = await rig.adapter()
        await rig.until(lambda status: pid(status, "bad") and pid(status, "good"))
        yield rig, adapter


@pytest.mark.slow
@pytest.mark.chaos
@pytest.mark.parametrize("how", ["block", "spin", "stop"])
async def test_a_stuck_process_alone_is_ended_and_started_anew(tmp_path: Path, how: str) -> None:
    async with two_handlers(tmp_path) as (rig, adapter):
        before = await rig.status()
        if how == "stop":
            os.kill(pid(before, "bad"), signal.SIGSTOP)
        else:
            await adapter.publish(message_event("b", how, chat="bad"))
        async with asyncio.timeout(20):
            while pid(after := await rig.status(), "bad") in (0, pid(before, "bad")):
                await asyncio.sleep(0.05)
        found = await rig.admin.GetPlugin(admin_pb2.GetPluginRequest(name="bad"))
        assert found.last_exit.startswith("MISSED_HEARTBEATS")
        assert pid(after, "good") == pid(before, "good")
        await adapter.publish(message_event("b", "hello", chat="good"))
        await rig.until(lambda status: status.bus.done >= 1)


@pytest.mark.slow
@pytest.mark.chaos
async def test_a_machine_that_stands_still_ends_nobody(tmp_path: Path) -> None:
    """The kernel and a plugin stop together, as on a suspended machine, for longer than the bound on heartbeats."""
    async with two_handlers(tmp_path) as (rig, adapter):
        before = await rig.status()
        names = ("bad", "good")
        for name in names:
            os.kill(pid(before, name), signal.SIGSTOP)
        # The kernel runs in this loop: blocking it stops the kernel.
        await _stand_still(8.0)
        for name in names:
            os.kill(pid(before, name), signal.SIGCONT)
        await adapter.publish(message_event("b", "hello", chat="good"))
        after = await rig.until(lambda status: status.bus.done == 1)
        assert [pid(after, name) for name in names] == [pid(before, name) for name in names]


async def _stand_still(seconds: float) -> None:
    time.sleep(seconds)  # noqa: ASYNC251 - to block the loop is the point
