"""A pipeline before a runner and before the agent, under a real kernel; processes die by SIGKILL in the middle."""

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

MESSAGES = {"event": "message.received"}
PIPELINE = {
    "name": "shop",
    "filter": {"words": ["secret"], "mask": "***"},
    "rate": {"seconds": 86400, "limit": 3, "reply": "Slowly."},
    "responder": {"plugin": "runners", "name": "support"},
}


@contextlib.asynccontextmanager
async def house(
    folder: Path, *rules: dict[str, Any]
) -> AsyncIterator[tuple[Installation, Server, OneBotClient]]:
    """The default set with these rules for messages, and Dify beside it."""
    async with served() as server:
        installation = Installation(folder)
        path = folder / "jackfield.yaml"
        config = json.loads(path.read_text())
        runner = {"name": "support", "kind": "dify", "url": server.url, "key": "main"}
        config["plugins"] |= {
            "router": {"config": {"default_rules": [{**MESSAGES, **rule} for rule in rules]}},
            "runners": {"config": {"keys": f"main={KEY}", "runners": [runner]}},
            "pipeline": {"config": {"pipelines": [PIPELINE]}},
        }
        path.write_text(json.dumps(config))
        await installation.run()
        try:
            async with OneBotClient(installation.onebot) as client:
                yield installation, server, client
        finally:
            await installation.stop()


@pytest.mark.parametrize(("victim", "asked"), [("pipeline", 1), ("runners", 2), ("kernel", 1)])
async def test_an_answer_survives_whoever_dies(tmp_path: Path, victim: str, asked: int) -> None:
    gate = asyncio.Event()
    rule = {"id": "shop", "handler": "pipeline", "config": {"pipeline": "shop"}}
    async with house(tmp_path, rule) as (installation, server, client):
        server.scripts = [streams(*chat("A", " secret", " is told"), gate=gate)]
        await client.say("a secret?")
        async with asyncio.timeout(30):
            while not server.asked:
                await asyncio.sleep(0.02)
        if victim == "kernel":
            await installation.kill()
            await installation.run()
        else:
            dead = await installation.pid(victim)
            os.kill(dead, signal.SIGKILL)
            async with asyncio.timeout(30):
                while await installation.pid(victim) in (0, dead):
                    await asyncio.sleep(0.05)
        gate.set()
        assert await client.until(1) == ["A *** is told"]
        for number, text in enumerate(("again", "once more", "too much"), 2):
            await client.say(text)
            await client.until(number)
        # The message that was in flight took one place of three, however often it came.
        assert client.replies == ["A *** is told"] * 3 + ["Slowly."]
        assert len(server.asked) == asked + 2
        assert server.asked[0]["query"] == "a ***?"
        status = await installation.ask("status")
        assert status["bus"]["dead"] == "0"


async def test_a_gate_hands_on_to_the_next_rule(tmp_path: Path) -> None:
    gate = {"ignore": {"prefixes": ["#"]}, "rate": {"seconds": 86400, "limit": 2, "reply": "Slowly."}}
    async with house(
        tmp_path,
        {"id": "gate", "handler": "pipeline", "config": gate, "continue": True, "priority": 10},
        {"id": "echo", "handler": "echo"},
    ) as (installation, server, client):
        for number, text in enumerate(("one", "two", "three"), 1):
            await client.say("# not this")
            await client.say(text)
            await client.until(number)
        assert client.replies == ["one", "two", "Slowly."]
        assert server.asked == []
        status = await installation.ask("status")
        assert status["bus"]["dead"] == "0"
