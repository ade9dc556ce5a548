"""Strangers, pairing and conversations on a whole kernel with the shipped plugins, killed in between."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import shutil
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.rig.command import Installation
from tests.rig.kernel import manifest
from tests.rig.onebot import OneBotClient

pytestmark = [pytest.mark.slow, pytest.mark.chaos]

PROBE = Path(__file__).with_name("people_probe.py")
ADMIN, ANN, EVE = 1, 42, 66
RULES = [
    {
        "id": "commands",
        "event": "message.received",
        "priority": 100,
        "match": {"prefixes": ["/"]},
        "handler": "command",
        "bypass": True,
        "continue": True,
    },
    {"id": "probe", "event": "message.received", "handler": "probe"},
]


@contextlib.asynccontextmanager
async def house(folder: Path, *, admins: bool = True) -> AsyncIterator[tuple[Installation, OneBotClient]]:
    """The default set with a bot that the operator added, and a handler that remembers."""
    installation = Installation(folder)
    place = folder / "probe"
    place.mkdir()
    shutil.copy(PROBE, place / "probe.py")
    (place / "jackfield-plugin.yaml").write_text(
        manifest(
            "probe",
            "handler",
            grants=["reply", "call:jackfield.v1.Conversation"],
            provides={"services": ["jackfield.v1.Handler"]},
            run={"exec": [sys.executable, str(place / "probe.py")]},
        )
    )
    path = folder / "jackfield.yaml"
    config = json.loads(path.read_text())
    config["bots"] = {"onebot": {"enabled": False}, "friends": {"adapter": "onebot"}}
    config["plugins"] |= {
        "probe": {"directory": str(place), "launcher": "process"},
        "router": {"config": {"default_rules": RULES}},
        "access": {"config": {"bots": {"friends": {"admins": [str(ADMIN)] if admins else []}}}},
    }
    path.write_text(json.dumps(config))
    await installation.run()
    try:
        async with OneBotClient(installation.onebot) as client:
            yield installation, client
    finally:
        await installation.stop()


async def told(client: OneBotClient, text: str, user: int) -> str:
    """Say something and return the next reply."""
    before = len(client.replies)
    await client.say(text, user)
    return (await client.until(before + 1))[before]


async def settled(installation: Installation) -> None:
    """Wait until nothing is under way."""
    async with asyncio.timeout(30):
        while True:
            bus = (await installation.ask("status"))["bus"]
            if not any(int(bus.get(name, 0)) for name in ("ready", "leased", "waiting")):
                return
            await asyncio.sleep(0.05)


async def kill(installation: Installation, plugin: str) -> None:
    """Kill a plugin and wait for its successor."""
    dead = await installation.pid(plugin)
    os.kill(dead, signal.SIGKILL)
    async with asyncio.timeout(30):
        while await installation.pid(plugin) in (0, dead):
            await asyncio.sleep(0.05)


async def test_a_stranger_is_denied_paired_and_revoked(tmp_path: Path) -> None:
    async with house(tmp_path) as (installation, client):
        greeting = await told(client, "hello", ANN)
        code = re.search(r"code is ([A-Z2-9]{8})", greeting)
        assert code, greeting
        assert "administrators only" not in await told(client, "/users", ADMIN)
        before = len(client.replies)
        await client.say(f"/pair {code[1]}", ADMIN)
        assert set((await client.until(before + 2))[before:]) == {
            "Welcome! You may use this bot now.",
            f"Ann ({ANN}) is admitted to friends.",
        }
        assert await told(client, "hello", ANN) == "heard: hello"
        await kill(installation, "access")
        assert await told(client, "still here", ANN) == "heard: still here"
        assert "administrators only" in await told(client, "/users", ANN)
        assert "not admitted any more" in await told(client, f"/revoke {ANN}", ADMIN)
        os.kill(await installation.pid("access"), signal.SIGKILL)
        await client.say("after all", ANN)
        await client.say("/whoami", ANN)
        assert await told(client, "ping", ADMIN) == "heard: ping"
        await settled(installation)
        assert not {"heard: after all"} & set(client.replies)
        assert not [reply for reply in client.replies if reply.startswith("Bot:")]


async def test_the_operator_sees_a_bot_that_admits_nobody(tmp_path: Path) -> None:
    async with house(tmp_path, admins=False) as (installation, client):
        assert "code is" in await told(client, "hello", ADMIN)
        problems = (await installation.ask("status"))["problems"]
        assert [one["message"] for one in problems] == ["access: bot friends admits nobody yet"]


async def test_while_access_is_away_nobody_new_comes_in(tmp_path: Path) -> None:
    async with house(tmp_path) as (installation, client):
        await installation.command("plugin", "disable", "access")
        await client.say("let me in", EVE)
        assert await told(client, "ping", ADMIN) == "heard: ping"
        assert client.replies == ["heard: ping"]
        await installation.kill()
        await installation.run()
        assert await told(client, "pong", ADMIN) == "heard: pong"
        await installation.command("plugin", "enable", "access")
        assert (await client.until(3))[2].startswith("I do not know you yet.")


async def test_conversations_by_chat(tmp_path: Path) -> None:
    async with house(tmp_path) as (installation, client):
        assert await told(client, "we talk about umbrellas", ADMIN) == "heard: we talk about umbrellas"
        assert await told(client, "/title Rain", ADMIN) == "The title is now: Rain"
        await kill(installation, "conversation")
        assert "new conversation" in await told(client, "/new", ADMIN)
        assert await told(client, "something else", ADMIN) == "heard: something else"
        listed = (await told(client, "/sessions", ADMIN)).splitlines()
        assert [line.partition(" (")[0] for line in listed[1:3]] == ["* 1. without title", "2. Rain"]
        assert "umbrellas" in await told(client, "/search umbrella", ADMIN)
        assert await told(client, "/resume rain", ADMIN) == "Going on with Rain (1 turns)."
        await kill(installation, "conversation")
        assert await told(client, "more rain", ADMIN) == "heard: more rain"
        history = await told(client, "/history", ADMIN)
        assert history.splitlines() == ["User: we talk about umbrellas", "User: more rain"]
        status = await installation.ask("status")
        assert status["bus"]["dead"] == "0"
