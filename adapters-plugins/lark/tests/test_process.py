"""The real adapter under a real kernel: echo, a crash in the middle, rate limits, and webhooks through the real ingress."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import aiohttp
import jackfield_echo
import jackfield_ingress
import jackfield_lark
import pytest

from tests.platforms.lark import APP_ID, APP_SECRET, ENCRYPT_KEY, VERIFICATION_TOKEN, LarkServer
from tests.platforms.lark.chats import DIRECT
from tests.platforms.lark.events import encrypted, received, signed
from tests.rig.kernel import rule, running

pytestmark = pytest.mark.integration


def config(server: LarkServer, *modules: Any, **bot: str) -> dict[str, Any]:
    plugins: dict[str, Any] = {
        module.__name__.removeprefix("jackfield_"): {"directory": str(Path(module.__file__ or "").parent)}
        for module in (jackfield_echo, jackfield_lark, *modules)
    }
    if "ingress" in plugins:
        plugins["ingress"]["config"] = {"host": "127.0.0.1", "port": 0}
    settings = {"app_id": APP_ID, "app_secret": APP_SECRET, "domain": server.url, **bot}
    bots = {"work": {"adapter": "lark", "config": settings}}
    return {"plugins": plugins, "bots": bots, "routes": {"work": [rule("echo")]}}


def said(server: LarkServer, text: str) -> dict[str, Any]:
    return received(server.chats.said(DIRECT, "text", {"text": text}))


async def test_a_message_comes_back_and_a_crash_in_the_middle_loses_nothing(tmp_path: Path) -> None:
    async with LarkServer() as server:
        server.connections.ack_seconds = 0.5
        async with running(tmp_path, config=config(server)) as rig:
            await rig.until_bots("work")
            sent = await server.connections.send(said(server, "hello"))
            await server.until(lambda: sent in server.connections.acked)
            await server.until(lambda: server.posts() == ["hello"])
            pid = next(one.pid for one in (await rig.status()).plugins if one.name == "lark")
            os.kill(pid, signal.SIGKILL)
            wires = [await server.connections.send(said(server, f"m{number}")) for number in range(5)]
            await server.until(lambda: set(wires) <= set(server.connections.acked))
            await server.until(lambda: len(server.posts()) >= 6)
            assert sorted(server.posts()) == ["hello", "m0", "m1", "m2", "m3", "m4"]
            assert (await rig.status()).bus.accepted == 6


async def test_a_crash_after_the_platform_took_the_answer_shows_it_once(tmp_path: Path) -> None:
    async with LarkServer() as server:
        async with running(tmp_path, config=config(server)) as rig:
            await rig.until_bots("work")
            server.hold_answers()
            await server.connections.send(said(server, "once"))
            await server.until(lambda: server.posts() == ["once"])
            pid = next(one.pid for one in (await rig.status()).plugins if one.name == "lark")
            os.kill(pid, signal.SIGKILL)
            server.let_go()
            await server.until(lambda: server.repeats > 0)
            await rig.until(lambda status: status.bus.done == 1)
            assert server.posts() == ["once"]


async def test_a_rate_limit_is_waited_for_and_the_answer_arrives_once(tmp_path: Path) -> None:
    async with LarkServer() as server, running(tmp_path, config=config(server)) as rig:
        await rig.until_bots("work")
        server.fail("POST messages", 429, 99991400, x_ogw_ratelimit_reset="1")
        await server.connections.send(said(server, "patience"))
        await server.until(lambda: server.posts() == ["patience"])


async def test_signed_requests_come_through_ingress(tmp_path: Path) -> None:
    async with LarkServer() as server:
        keys = {"encrypt_key": ENCRYPT_KEY, "verification_token": VERIFICATION_TOKEN}
        settings = config(server, jackfield_ingress, **keys)
        async with running(tmp_path, config=settings) as rig, aiohttp.ClientSession() as http:
            await rig.until_bots("work")
            status = await rig.until(lambda s: any(bot.addresses for bot in s.bots))
            url = status.bots[0].addresses[0].url
            assert url.endswith("/lark/work/events")

            async def post(payload: dict[str, Any], key: str = ENCRYPT_KEY) -> tuple[int, bytes]:
                body = encrypted(ENCRYPT_KEY, payload)
                headers = {"Content-Type": "application/json", **signed(key, body)}
                async with http.post(url, data=body, headers=headers) as answer:
                    return answer.status, await answer.read()

            proof = {"type": "url_verification", "challenge": "abc", "token": VERIFICATION_TOKEN}
            status_code, body = await post(proof)
            assert (status_code, json.loads(body)) == (200, {"challenge": "abc"})
            message = said(server, "by request")
            assert await post(message) == (200, b"{}")
            assert await post(message) == (200, b"{}")
            assert (await post(message, "another key"))[0] == 401
            await server.until(lambda: server.posts() == ["by request"])
            assert (await rig.status()).bus.accepted == 1
            assert server.connections.opened == 0
