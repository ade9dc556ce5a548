"""The real adapter under a real kernel: echo, a crash in the middle, and the Events API through the real ingress."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import aiohttp
import jackfield_echo
import jackfield_ingress
import jackfield_slack
import pytest

from tests.platforms.slack import APP_TOKEN, BOT_TOKEN, SIGNING_SECRET, SlackServer
from tests.platforms.slack.events import callback, request, signed
from tests.platforms.slack.workspace import DIRECT
from tests.rig.kernel import rule, running

pytestmark = pytest.mark.integration


def config(server: SlackServer, *modules: Any, **bot: str) -> dict[str, Any]:
    plugins: dict[str, Any] = {
        module.__name__.removeprefix("jackfield_"): {"directory": str(Path(module.__file__ or "").parent)}
        for module in (jackfield_echo, jackfield_slack, *modules)
    }
    if "ingress" in plugins:
        plugins["ingress"]["config"] = {"host": "127.0.0.1", "port": 0}
    settings = {"bot_token": BOT_TOKEN, "api_base_url": server.api, **bot}
    bots = {"work": {"adapter": "slack", "config": settings}}
    return {"plugins": plugins, "bots": bots, "routes": {"work": [rule("echo")]}}


async def test_a_message_comes_back_and_a_crash_in_the_middle_loses_nothing(tmp_path: Path) -> None:
    async with SlackServer() as server:
        server.sockets.ack_seconds = 0.5
        async with running(tmp_path, config=config(server, app_token=APP_TOKEN)) as rig:
            await rig.until_bots("work")
            envelope = await server.sockets.send(
                "events_api", callback(server.workspace.say(DIRECT, "hello"))
            )
            await server.sockets.until_acked(envelope)
            await server.until(lambda: server.posts() == ["hello"])
            pid = next(one.pid for one in (await rig.status()).plugins if one.name == "slack")
            os.kill(pid, signal.SIGKILL)
            sent = [
                await server.sockets.send("events_api", callback(server.workspace.say(DIRECT, f"m{number}")))
                for number in range(5)
            ]
            await server.sockets.until_acked(*sent)
            await server.until(lambda: len(server.posts()) >= 6)
            assert sorted(server.posts()) == ["hello", "m0", "m1", "m2", "m3", "m4"]
            assert (await rig.status()).bus.accepted == 6


async def test_a_rate_limit_is_waited_for_and_the_answer_arrives_once(tmp_path: Path) -> None:
    async with SlackServer() as server, running(tmp_path, config=config(server, app_token=APP_TOKEN)) as rig:
        await rig.until_bots("work")
        server.fail("chat.postMessage", status=429, Retry_After="1")
        await server.sockets.send("events_api", callback(server.workspace.say(DIRECT, "patience")))
        await server.until(lambda: server.posts() == ["patience"])


async def test_signed_requests_come_through_ingress(tmp_path: Path) -> None:
    async with SlackServer() as server:
        settings = config(server, jackfield_ingress, signing_secret=SIGNING_SECRET)
        async with running(tmp_path, config=settings) as rig, aiohttp.ClientSession() as http:
            await rig.until_bots("work")
            status = await rig.until(lambda s: any(bot.addresses for bot in s.bots))
            url = status.bots[0].addresses[0].url
            assert url.endswith("/slack/work/events")

            async def post(payload: dict[str, Any], secret: str = SIGNING_SECRET) -> tuple[int, Any]:
                body, kind = request("events_api", payload)
                headers = {"Content-Type": kind, **signed(secret, body)}
                async with http.post(url, data=body, headers=headers) as answer:
                    return answer.status, await answer.read()

            proof = {"type": "url_verification", "challenge": "abc", "token": "t"}
            assert await post(proof) == (200, b'{"challenge": "abc"}')
            said = callback(server.workspace.say(DIRECT, "by request"))
            assert await post(said) == (200, b"")
            assert await post(said) == (200, b"")
            assert (await post(said, "another secret"))[0] == 401
            await server.until(lambda: server.posts() == ["by request"])
            assert (await rig.status()).bus.accepted == 1
