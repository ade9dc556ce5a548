"""The adapter as its own process under a whole kernel, with router, command and echo, against the local server."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.platforms.telegram.server import TOKEN, Fault, Server
from tests.rig.command import Installation

pytestmark = pytest.mark.integration


@contextlib.asynccontextmanager
async def house(folder: Path, token: str = TOKEN) -> AsyncIterator[tuple[Server, Installation]]:
    """A kernel as an operator starts it, with a bot `garden` that echoes."""
    async with Server().running() as server:
        installation = Installation(folder)
        path = folder / "jackfield.yaml"
        config = json.loads(path.read_text())
        settings = {"token": token, "api_base_url": server.url, "poll_timeout": 20}
        config["bots"] = {"garden": {"adapter": "telegram", "config": settings}}
        path.write_text(json.dumps(config))
        await installation.run()
        try:
            rule = ("--bot", "garden", "--handler", "echo")
            await installation.command("route", "add", *rule)
            yield server, installation
        finally:
            await installation.stop()


async def answered(server: Server, count: int) -> list[str]:
    """Waits for so many messages of the bot."""
    texts: list[str] = await server.until(lambda: len(found := server.store.texts()) >= count and found)
    return texts


async def test_a_message_is_echoed_and_a_killed_adapter_loses_nothing(tmp_path: Path) -> None:
    async with house(tmp_path) as (server, installation):
        await server.say("hello")
        assert await answered(server, 1) == ["hello"]
        # The adapter dies while updates are on their way; the platform sends again what was not acknowledged.
        os.kill(await installation.pid("telegram"), signal.SIGKILL)
        updates = [await server.say(f"m{number}") for number in range(5)]
        await answered(server, 6)
        await server.until_confirmed(updates[-1])
        assert sorted(server.store.texts()[1:]) == [f"m{number}" for number in range(5)]
        # So does the kernel.
        await installation.kill()
        await server.say("without a kernel")
        await installation.run()
        assert (await answered(server, 7))[-1] == "without a kernel"
        events = (await installation.ask("event", "list", "--bot", "garden"))["events"]
        assert len(events) == 7
        for log in tmp_path.rglob("*"):
            if log.is_file() and "log" in log.name:
                assert TOKEN.encode() not in log.read_bytes(), log


async def test_a_redelivery_is_answered_once_and_429_is_waited_for(tmp_path: Path) -> None:
    async with house(tmp_path) as (server, _):
        server.fail("sendMessage", Fault(429, "Too Many Requests: retry after 1", {"retry_after": 1}))
        update = await server.say("slowly")
        assert await answered(server, 1) == ["slowly"]
        native = {
            "message": {
                "message_id": 1,
                "date": 1_700_000_000,
                "chat": {"id": 7, "type": "private"},
                "text": "slowly",
            }
        }
        await server.again(update, native=native)
        after = await server.say("next")
        await server.until_confirmed(after)
        assert await answered(server, 2) == ["slowly", "next"]


async def test_a_refused_token_is_shown_with_its_remedy(tmp_path: Path) -> None:
    async with house(tmp_path, "110201543:revokedrevokedrevoked") as (_, installation):
        async with asyncio.timeout(15):
            while True:
                bots = {bot["name"]: bot for bot in (await installation.ask("status"))["bots"]}
                if "reason" in bots["garden"] and bots["garden"]["reason"].get("reason") == "AUTH_EXPIRED":
                    break
                await asyncio.sleep(0.1)
        assert "BotFather" in json.dumps(bots["garden"])
        assert "revoked" not in json.dumps(bots)
