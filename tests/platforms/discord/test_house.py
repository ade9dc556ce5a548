"""The adapter as its own process under a whole kernel, with router, command and echo, against the local server."""

from __future__ import annotations

import contextlib
import json
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.platforms.discord import world
from tests.platforms.discord.server import Server
from tests.rig.command import Installation

pytestmark = pytest.mark.integration


@contextlib.asynccontextmanager
async def house(folder: Path) -> AsyncIterator[tuple[Server, Installation]]:
    """A kernel as an operator starts it, with a bot `garden` that echoes."""
    async with Server().running() as server:
        installation = Installation(folder)
        path = folder / "jackfield.yaml"
        config: dict[str, Any] = json.loads(path.read_text())
        settings = {"token": server.token, "api_base_url": server.url}
        config["bots"] = {"garden": {"adapter": "discord", "config": settings}}
        config["plugins"]["access"] = {"config": {"bots": {"garden": {"allow_all": True}}}}
        path.write_text(json.dumps(config))
        await installation.run()
        try:
            await installation.command("route", "add", "--bot", "garden", "--handler", "echo")
            await server.until(lambda: server.current)
            yield server, installation
        finally:
            await installation.stop()


def said(server: Server) -> list[str]:
    """What the bot wrote."""
    return [
        message["content"]
        for message in server.methods.messages.get(world.GENERAL, ())
        if message["author"] == world.ME
    ]


async def answered(server: Server, count: int) -> list[str]:
    """Waits for so many messages of the bot."""
    texts: list[str] = await server.until(lambda: len(found := said(server)) >= count and found)
    return texts


async def test_a_message_is_echoed_and_a_killed_adapter_loses_nothing(tmp_path: Path) -> None:
    async with house(tmp_path) as (server, installation):
        await server.say("hello")
        assert await answered(server, 1) == ["hello"]
        # The adapter dies while messages are on their way; its successor goes on with the session of the checkpoint.
        os.kill(await installation.pid("discord"), signal.SIGKILL)
        for number in range(5):
            await server.say(f"m{number}")
        await answered(server, 6)
        assert sorted(said(server)[1:]) == [f"m{number}" for number in range(5)]
        assert len(server.identified) == 1
        # Discord forgot the session: the history tells what was missed.
        server.forget_sessions()
        os.kill(await installation.pid("discord"), signal.SIGKILL)
        await server.say("without a session")
        assert (await answered(server, 7))[-1] == "without a session"
        assert len(server.identified) == 2
        logs = [path for path in tmp_path.rglob("*.log*") if path.is_file()]
        assert any(path.name == "discord.log" for path in logs)
        for path in logs:
            assert server.token.encode() not in path.read_bytes(), path
