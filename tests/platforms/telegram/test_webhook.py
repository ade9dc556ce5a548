"""Webhooks: the platform, the real ingress, the adapter and echo under a real kernel."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import aiohttp
import jackfield_echo
import jackfield_ingress
import jackfield_telegram
import pytest

from tests.platforms.telegram.server import Server
from tests.rig.command import free_port
from tests.rig.kernel import rule, running

pytestmark = pytest.mark.integration
SECRET = "a-secret-of-more-than-16-letters"


def config(server: Server, port: int, **bot: Any) -> dict[str, Any]:
    plugins: dict[str, Any] = {
        module.__name__.removeprefix("jackfield_"): {"directory": str(Path(module.__file__ or "").parent)}
        for module in (jackfield_echo, jackfield_ingress, jackfield_telegram)
    }
    plugins["ingress"]["config"] = {
        "host": "127.0.0.1",
        "port": port,
        "public_url": f"http://127.0.0.1:{port}",
    }
    settings = {"token": server.token, "api_base_url": server.url, "mode": "webhook", **bot}
    bots = {"garden": {"adapter": "telegram", "config": settings}}
    return {"plugins": plugins, "bots": bots, "routes": {"garden": [rule("echo")]}}


async def test_updates_come_by_webhook_and_survive_the_adapter(tmp_path: Path) -> None:
    port = free_port()
    async with (
        Server().running() as server,
        running(tmp_path, config=config(server, port, webhook_secret=SECRET)) as rig,
    ):
        await rig.until_bots("garden")
        assert server.webhook["url"] == f"http://127.0.0.1:{port}/telegram/garden/updates"
        assert server.webhook["max_connections"] == 1
        await server.say("hello")
        await server.until(lambda: server.store.texts() == ["hello"])
        async with aiohttp.ClientSession() as http:
            for header in ({}, {"X-Telegram-Bot-Api-Secret-Token": "wrong"}):
                async with http.post(server.webhook["url"], json={"update_id": 1}, headers=header) as answer:
                    assert answer.status == 401
        # A send whose result is not recorded yet may be repeated: not the subject here.
        status = await rig.until(lambda s: s.bus.done >= 1)
        os.kill(next(plugin.pid for plugin in status.plugins if plugin.name == "telegram"), signal.SIGKILL)
        updates = [await server.say(text) for text in ("one", "two")]
        await server.until_confirmed(updates[-1])
        await server.until(lambda: server.store.texts() == ["hello", "one", "two"])
        assert server.offsets == []


async def test_a_webhook_without_a_secret_is_refused(tmp_path: Path) -> None:
    async with Server().running() as server, running(tmp_path, config=config(server, free_port())) as rig:
        status = await rig.until(lambda s: any(bot.reason.reason == "INVALID_ARGUMENT" for bot in s.bots))
        assert "webhook_secret" in status.bots[0].reason.message
        assert server.webhook == {}
