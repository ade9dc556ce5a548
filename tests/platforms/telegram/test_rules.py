"""The adapter and echo under a kernel in the test's loop: what is repeated, limited and refused."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

import jackfield_echo
import jackfield_telegram
import pytest

from tests.platforms.telegram import world
from tests.platforms.telegram.server import Fault, Server
from tests.rig.kernel import rule, running

pytestmark = pytest.mark.integration


def config(server: Server, token: str = "") -> dict[str, Any]:
    plugins = {
        module.__name__.removeprefix("jackfield_"): {"directory": str(Path(module.__file__ or "").parent)}
        for module in (jackfield_echo, jackfield_telegram)
    }
    settings = {"token": token or server.token, "api_base_url": server.url, "poll_timeout": 20}
    bots = {"garden": {"adapter": "telegram", "config": settings}}
    return {"plugins": plugins, "bots": bots, "routes": {"garden": [rule("echo")]}}


async def test_a_redelivery_is_answered_once_and_429_is_waited_for(tmp_path: Path) -> None:
    async with Server().running() as server, running(tmp_path, config=config(server)) as rig:
        await rig.until_bots("garden")
        server.fail("sendMessage", Fault(429, "Too Many Requests: retry after 1", {"retry_after": 1}))
        update = await server.say("slowly")
        await server.until(lambda: server.store.texts() == ["slowly"])
        await server.again(update, native={"message": world.message(text="slowly")})
        after = await server.say("next")
        await server.until_confirmed(after)
        await server.until(lambda: server.store.texts() == ["slowly", "next"])
        assert (await rig.status()).bus.accepted == 2


async def test_a_refused_token_is_shown_with_its_remedy(tmp_path: Path) -> None:
    revoked = f"110201543:revoked{secrets.token_hex(12)}"
    async with Server().running() as server, running(tmp_path, config=config(server, revoked)) as rig:
        status = await rig.until(lambda s: any(bot.reason.reason == "AUTH_EXPIRED" for bot in s.bots))
        (bot,) = status.bots
        assert "BotFather" in bot.reason.remedy
        assert revoked not in str(status)
