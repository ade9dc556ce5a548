"""Jobs on a real kernel: each due time acts once, whoever is killed meanwhile, and the agent answers a prompt of the clock."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.rig.command import Installation
from tests.rig.onebot import OneBotClient

pytestmark = [pytest.mark.slow, pytest.mark.chaos]

REMINDERS = 8


@contextlib.asynccontextmanager
async def house(folder: Path) -> AsyncIterator[tuple[Installation, OneBotClient]]:
    """The default set; the OneBot user 42 is an administrator."""
    installation = Installation(folder)
    path = folder / "jackfield.yaml"
    config = json.loads(path.read_text())
    config["plugins"]["command"] = {"config": {"admins": ["onebot:42"]}}
    path.write_text(json.dumps(config))
    await installation.run()
    try:
        async with OneBotClient(installation.onebot) as client:
            yield installation, client
    finally:
        await installation.stop()


async def remind(client: OneBotClient) -> None:
    """So many reminders, a third of a second apart, the first in four seconds."""
    for number in range(REMINDERS):
        await client.say(f"/remind {4 + number // 3}s tea {number}" + "!" * number)
    await client.until(REMINDERS)


def reminded(client: OneBotClient) -> list[str]:
    """Those that came."""
    return sorted(text for text in client.replies if text.startswith("tea"))


async def all_came(client: OneBotClient) -> None:
    """Each reminder once; one more sent at the end shows that none is under way."""
    await client.until(2 * REMINDERS, 60)
    before = len(client.replies)
    await client.say("/remind 1s the last word")
    await client.until(before + 2)
    assert reminded(client) == [f"tea {number}" + "!" * number for number in range(REMINDERS)]


async def test_a_scheduler_that_is_killed_again_and_again_reminds_once(tmp_path: Path) -> None:
    async with house(tmp_path) as (installation, client):
        await remind(client)
        while len(reminded(client)) < REMINDERS:
            pid = await installation.pid("scheduler")
            if pid:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            with contextlib.suppress(TimeoutError):
                await client.until(len(client.replies) + 1, 0.7)
        await all_came(client)


async def test_a_kernel_that_is_killed_reminds_once(tmp_path: Path) -> None:
    async with house(tmp_path) as (installation, client):
        await remind(client)
        await client.until(REMINDERS + 1)
        await installation.kill()
        await installation.run()
        await all_came(client)


async def test_the_agent_answers_a_prompt_of_the_clock(tmp_path: Path) -> None:
    async with house(tmp_path) as (_, client):
        await client.say("/job add --agent 1s hello there")
        (kept, answer) = (await client.until(2))[:2]
        assert "next run" in kept
        assert "hello there" in answer
        job = kept.split()[1]
        async with asyncio.timeout(30):
            while "run ok, delivery delivered" not in client.replies[-1]:
                count = len(client.replies)
                await client.say(f"/job history {job}" + " " * count)
                await client.until(count + 1)
