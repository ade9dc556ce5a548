"""The promise, on what `make run` starts: processes are killed under a conversation, and nothing is lost."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from pathlib import Path

import psutil
import pytest

from tests.rig.command import Installation, installed
from tests.rig.onebot import OneBotClient

pytestmark = [pytest.mark.chaos, pytest.mark.integration]

MESSAGES = 120
# What a conversation needs; adapters without a bot stand still.
DEFAULT = ("router", "echo", "command", "webchat", "onebot")


def writer_of(installation: Installation) -> int:
    """Process id of the journal's writer."""
    assert installation.kernel is not None
    children = psutil.Process(installation.kernel.pid).children()
    return next(child.pid for child in children if "jackfield journal" in " ".join(child.cmdline()))


async def test_handler_router_and_writer_may_be_killed_under_load(tmp_path: Path) -> None:
    async with installed(tmp_path) as installation, OneBotClient(installation.onebot) as client:
        await client.say("first")
        await client.until(1)
        echo, router = await installation.pid("echo"), await installation.pid("router")
        victims = {20: echo, 50: router, 80: writer_of(installation)}
        for number in range(MESSAGES):
            await client.say(str(number))
            if number in victims:
                os.kill(victims[number], signal.SIGKILL)
            await asyncio.sleep(0.01)
        replies = await client.until(MESSAGES + 1)
        assert replies[1:] == [str(number) for number in range(MESSAGES)]
        status = await installation.ask("status")
        running = [plugin for plugin in status["plugins"] if plugin["name"] in DEFAULT]
        assert {plugin["state"] for plugin in running} == {"ACTIVE"}
        assert status["bus"]["dead"] == "0"


async def test_a_killed_kernel_goes_on_where_it_was(tmp_path: Path) -> None:
    async with installed(tmp_path) as installation, OneBotClient(installation.onebot) as client:
        await client.say("before")
        await client.until(1)
        echo = await installation.pid("echo")
        os.kill(echo, signal.SIGSTOP)
        for number in range(10):
            await client.say(str(number))
        while (await installation.ask("status"))["bus"].get("accepted") != "11":
            await asyncio.sleep(0.05)
        await installation.kill()
        os.kill(echo, signal.SIGKILL)
        await installation.run()
        replies = await client.until(11)
        assert replies == ["before", *map(str, range(10))]


async def test_plugins_of_a_killed_kernel_go_on_under_the_next_one(tmp_path: Path) -> None:
    async with installed(tmp_path) as installation, OneBotClient(installation.onebot) as client:
        await client.say("before")
        await client.until(1)
        names = DEFAULT
        before = [await installation.pid(name) for name in names]
        await installation.kill()
        # The platform's connection stands: what it says now is spooled by the adapter.
        for number in range(20):
            await client.say(str(number))
        await installation.run()
        replies = await client.until(21)
        assert replies == ["before", *map(str, range(20))]
        assert [await installation.pid(name) for name in names] == before
        assert client.connections == 1
        status = await installation.ask("status")
        running = [plugin for plugin in status["plugins"] if plugin["name"] in DEFAULT]
        assert {plugin["state"] for plugin in running} == {"ACTIVE"}


async def test_an_adapter_that_is_killed_comes_back_by_itself(tmp_path: Path) -> None:
    async with installed(tmp_path) as installation, OneBotClient(installation.onebot) as client:
        await client.say("before")
        await client.until(1)
        first = await installation.pid("onebot")
        os.kill(first, signal.SIGKILL)
        while (second := await installation.pid("onebot")) in (0, first):
            await asyncio.sleep(0.05)
        await client.say("after")
        # What is written to a connection that is about to break is lost with it: the platform cannot redeliver.
        async with asyncio.timeout(30):
            while "after" not in client.replies:
                await asyncio.sleep(0.5)
                await client.say("after")
        assert second != first


async def test_a_planned_restart_keeps_process_plugins_and_connections(tmp_path: Path) -> None:
    async with installed(tmp_path) as installation, OneBotClient(installation.onebot) as client:
        await client.say("before")
        await client.until(1)
        names = DEFAULT
        before = [await installation.pid(name) for name in names]
        assert installation.kernel is not None
        said = asyncio.create_task(installation.command("restart"))
        for number in range(50):
            await client.say(str(number))
            await asyncio.sleep(0.02)
        assert re.search(r"\b(\d+) of \1 plugins went on", await said)
        assert (await installation.ask("status"))["pid"] == installation.kernel.pid
        assert [await installation.pid(name) for name in names] == before
        assert await client.until(51) == ["before", *map(str, range(50))]
        assert client.connections == 1


async def test_every_plugin_is_upgraded_under_a_conversation(tmp_path: Path) -> None:
    async with installed(tmp_path) as installation, OneBotClient(installation.onebot) as client:
        await client.say("before")
        await client.until(1)
        names = ("echo", "router", "command", "webchat", "onebot")
        before = [await installation.pid(name) for name in names]

        async def talk() -> None:
            for number in range(200):
                await client.say(str(number))
                await asyncio.sleep(0.02)

        talking = asyncio.create_task(talk())
        for name in names:
            assert "takes over" in await installation.command("plugin", "upgrade", name)
        await talking
        assert not {await installation.pid(name) for name in names} & set(before)
        # The platform's connection moved with its bot; what was on its way to the old one when it closed is the platform's loss.
        assert client.connections >= 2
        replies = list(await client.until(190))
        assert len(set(replies)) == len(replies)
        assert replies[1:] == sorted(replies[1:], key=int)
        status = await installation.ask("status")
        running = [plugin for plugin in status["plugins"] if plugin["name"] in DEFAULT]
        assert {plugin["state"] for plugin in running} == {"ACTIVE"}
        assert status["bus"]["dead"] == "0"
        # The second generations are what the next kernel adopts.
        serving = [await installation.pid(name) for name in names]
        await installation.kill()
        await installation.run()
        assert [await installation.pid(name) for name in names] == serving
        await client.say("after")
        async with asyncio.timeout(10):
            while "after" not in client.replies:
                await asyncio.sleep(0.02)
