"""Runners or kernel die by SIGKILL in the middle of an answer, or after it: one answer comes, and nothing is asked without need."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.platforms.dify.server import KEY, Server, chat, served, streams
from tests.rig.command import Installation
from tests.rig.onebot import OneBotClient

pytestmark = [pytest.mark.slow, pytest.mark.chaos]

COMMANDS = {
    "id": "commands",
    "event": "message.received",
    "handler": "command",
    "priority": 100,
    "match": {"prefixes": ["/"]},
    "bypass": True,
}
RULE = {"id": "ask", "event": "message.received", "handler": "runners", "config": {"runner": "support"}}


@contextlib.asynccontextmanager
async def house(folder: Path, **rule: Any) -> AsyncIterator[tuple[Installation, Server, OneBotClient]]:
    """The default set with runners answering the OneBot bot, and Dify beside it."""
    async with served() as server:
        installation = Installation(folder)
        path = folder / "jackfield.yaml"
        config = json.loads(path.read_text())
        config["plugins"] |= {
            "router": {"config": {"default_rules": [COMMANDS, {**RULE, **rule}]}},
            "runners": {
                "config": {
                    "keys": f"main={KEY}",
                    "runners": [{"name": "support", "kind": "dify", "url": server.url, "key": "main"}],
                }
            },
        }
        path.write_text(json.dumps(config))
        await installation.run()
        try:
            async with OneBotClient(installation.onebot) as client:
                yield installation, server, client
        finally:
            await installation.stop()


async def until(condition: Any) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.02)


async def kill(installation: Installation, victim: str) -> None:
    """SIGKILL, and wait until somebody stands there again."""
    if victim == "kernel":
        await installation.kill()
        await installation.run()
        return
    dead = await installation.pid(victim)
    os.kill(dead, signal.SIGKILL)
    async with asyncio.timeout(30):
        while await installation.pid(victim) in (0, dead):
            await asyncio.sleep(0.05)


@pytest.mark.parametrize(("victim", "asked"), [("runners", 2), ("kernel", 1)])
async def test_an_answer_survives_in_its_middle(tmp_path: Path, victim: str, asked: int) -> None:
    gate = asyncio.Event()
    async with house(tmp_path) as (installation, server, client):
        server.scripts = [streams(*chat("Once", " upon", " a time"), gate=gate)]
        await client.say("tell")
        await until(lambda: server.asked)
        await kill(installation, victim)
        gate.set()
        assert await client.until(1) == ["Once upon a time"]
        await client.say("again")
        assert await client.until(2) == ["Once upon a time"] * 2
        # Nobody knows what became of a question whose asker died; it shows the same key when it is put again.
        assert len(server.asked) == asked + 1
        assert len(set(server.keys)) == 2
        assert server.asked[-1]["conversation_id"] == "conv-1"
        status = await installation.ask("status")
        assert status["bus"]["dead"] == "0"


async def test_stop_and_interruption_reach_the_question(tmp_path: Path) -> None:
    async with house(tmp_path, busy={"mode": "BUSY_MODE_INTERRUPT"}) as (installation, server, client):
        server.scripts = [streams(chat("Once")[0], hang=True)]
        await client.say("tell")
        await until(lambda: len(server.asked) == 1)
        await client.say("/stop")
        first = await client.until(2)
        assert "Stopped." in first
        assert any(reply.endswith("(stopped)") for reply in first)
        await client.say("tell me")
        await until(lambda: len(server.asked) == 2)
        server.scripts = [streams(*chat("Anew"))]
        await client.say("something else")
        assert (await client.until(3))[2] == "Anew"
        status = await installation.ask("status")
        assert status["bus"]["dead"] == "0"
