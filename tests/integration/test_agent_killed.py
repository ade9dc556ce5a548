"""Agent or kernel die by SIGKILL in the middle of an answer: no tool runs twice, no model is paid twice, one answer comes."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.rig.command import Installation
from tests.rig.kernel import manifest
from tests.rig.onebot import OneBotClient

pytestmark = [pytest.mark.slow, pytest.mark.chaos]

PROBE = Path(__file__).with_name("agent_probe.py")
COMMANDS = {
    "id": "commands",
    "event": "message.received",
    "handler": "command",
    "priority": 100,
    "match": {"prefixes": ["/"]},
    "bypass": True,
}
RULE = {"id": "agent", "event": "message.received", "handler": "agent", "timeout": "1800s"}


class Probe:
    """The folder of the probing plugin."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        shutil.copy(PROBE, folder / "probe.py")
        services = ["jackfield.v1.Model", "jackfield.v1.Tools"]
        (folder / "jackfield-plugin.yaml").write_text(
            manifest(
                "probe",
                "service",
                provides={"services": services},
                run={"exec": [sys.executable, str(folder / "probe.py")]},
            )
        )

    @property
    def runs(self) -> list[str]:
        """What ran, in order."""
        path = self.folder / "runs"
        return path.read_text().splitlines() if path.exists() else []

    def close(self, moment: str) -> None:
        """Runs wait at this moment from now on."""
        (self.folder / f"{moment}.closed").touch()

    def open(self, moment: str) -> None:
        """They go on."""
        (self.folder / f"{moment}.closed").unlink()

    async def until(self, line: str) -> None:
        """Wait until something ran."""
        async with asyncio.timeout(30):
            while line not in self.runs:
                await asyncio.sleep(0.02)


@contextlib.asynccontextmanager
async def house(folder: Path, **rule: Any) -> AsyncIterator[tuple[Installation, Probe, OneBotClient]]:
    """The default set with the probe as its only model and tool, the agent answering the OneBot bot by a rule."""
    installation, probe = Installation(folder), Probe(folder / "probe")
    path = folder / "jackfield.yaml"
    config = json.loads(path.read_text())
    config["plugins"] |= {
        "probe": {"directory": str(probe.folder), "launcher": "process"},
        "router": {"config": {"default_rules": [COMMANDS, {**RULE, **rule}]}},
        "agent": {"config": {"models": ["probe"], "tools": ["probe"]}},
    }
    path.write_text(json.dumps(config))
    await installation.run()
    try:
        async with OneBotClient(installation.onebot) as client:
            yield installation, probe, client
    finally:
        await installation.stop()


@pytest.mark.parametrize("moment", ["tool", "model"])
@pytest.mark.parametrize("victim", ["agent", "kernel"])
async def test_nothing_is_done_twice(tmp_path: Path, victim: str, moment: str) -> None:
    async with house(tmp_path) as (installation, probe, client):
        probe.close(moment)
        await client.say("work please")
        await probe.until({"tool": "tool runs", "model": "model answers"}[moment])
        if victim == "agent":
            dead = await installation.pid("agent")
            os.kill(dead, signal.SIGKILL)
            async with asyncio.timeout(30):
                while await installation.pid("agent") in (0, dead):
                    await asyncio.sleep(0.05)
        else:
            await installation.kill()
            await installation.run()
        probe.open(moment)
        assert await client.until(1) == ["Result: worked"]
        await client.say("again")
        assert await client.until(2) == ["Result: worked"] * 2
        assert probe.runs == ["model calls", "tool runs", "model answers"] * 2
        status = await installation.ask("status")
        assert status["bus"]["dead"] == "0"


async def test_stop_reaches_the_agent_past_its_busy_lane(tmp_path: Path) -> None:
    async with house(tmp_path) as (_, probe, client):
        probe.close("model")
        await client.say("work please")
        await probe.until("model answers")
        await client.say("/stop")
        assert sorted(await client.until(2)) == ["Result: \n\n(stopped)", "Stopped."]
        probe.open("model")
        await client.say("again")
        assert (await client.until(3))[2:] == ["Result: worked"]


async def test_a_new_message_interrupts_the_answer_where_the_rule_says_so(tmp_path: Path) -> None:
    async with house(tmp_path, busy={"mode": "BUSY_MODE_INTERRUPT"}) as (installation, probe, client):
        probe.close("model")
        await client.say("first")
        await probe.until("model answers")
        await client.say("second")
        async with asyncio.timeout(30):
            while probe.runs.count("model answers") < 2:
                await asyncio.sleep(0.02)
        probe.open("model")
        assert await client.until(1) == ["Result: worked"]
        status = await installation.ask("status")
        assert status["bus"]["dead"] == "0"
