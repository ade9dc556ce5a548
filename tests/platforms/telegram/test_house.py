"""The adapter as its own process under a whole kernel, with router, command and echo, against the local server."""

from __future__ import annotations

import contextlib
import json
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.platforms.telegram.server import Server
from tests.rig.command import Installation

pytestmark = pytest.mark.integration


@contextlib.asynccontextmanager
async def house(folder: Path) -> AsyncIterator[tuple[Server, Installation]]:
    """A kernel as an operator starts it, with a bot `garden` that echoes."""
    async with Server().running() as server:
        installation = Installation(folder)
        path = folder / "jackfield.yaml"
        config = json.loads(path.read_text())
        settings = {"token": server.token, "api_base_url": server.url, "poll_timeout": 20}
        config["bots"] = {"garden": {"adapter": "telegram", "config": settings}}
        config["plugins"]["access"] = {"config": {"bots": {"garden": {"allow_all": True}}}}
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
        logs = [path for path in tmp_path.rglob("*.log*") if path.is_file()]
        assert any(path.name == "telegram.log" for path in logs)
        for path in logs:
            assert server.token.encode() not in path.read_bytes(), path
