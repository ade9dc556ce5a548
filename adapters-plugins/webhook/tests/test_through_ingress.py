"""The whole way: a signed request through the real ingress and a real kernel, and the echo back as a signed request."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import aiohttp
import jackfield_echo
import jackfield_ingress
import jackfield_webhook
import pytest
from receiver import SECRET, Receiver, sign

from tests.rig.kernel import Rig, rule, running

pytestmark = pytest.mark.integration


def config(callback: str) -> dict[str, Any]:
    plugins: dict[str, Any] = {
        module.__name__.removeprefix("jackfield_"): {"directory": str(Path(module.__file__ or "").parent)}
        for module in (jackfield_echo, jackfield_ingress, jackfield_webhook)
    }
    plugins["ingress"]["config"] = {"host": "127.0.0.1", "port": 0}
    bots = {"hook": {"adapter": "webhook", "config": {"secret": SECRET, "callback_url": callback}}}
    return {"plugins": plugins, "bots": bots, "routes": {"hook": [rule("echo")]}}


async def address(rig: Rig) -> str:
    status = await rig.until(lambda s: any(bot.addresses for bot in s.bots))
    return next(one.url for bot in status.bots for one in bot.addresses)


async def send(http: aiohttp.ClientSession, url: str, text: str, key: str, secret: str = SECRET) -> int:
    body = json.dumps({"chat": {"id": "c1"}, "text": text}).encode()
    async with http.post(url, data=body, headers=sign(secret, int(time.time()), key, body)) as answer:
        return answer.status


async def test_a_request_comes_back_as_its_echo_and_a_repeat_is_one_event(tmp_path: Path) -> None:
    async with Receiver() as receiver, running(tmp_path, config=config(receiver.url)) as rig:
        url = await address(rig)
        assert url.endswith("/webhook/hook/in")
        await rig.until_bots("hook")
        async with aiohttp.ClientSession() as http:
            assert await send(http, url, "hello", "k1") == 202
            assert await send(http, url, "hello", "k1") == 202
            assert await send(http, url, "hello", "k2", "another secret....") == 401
            assert await send(http, url, "more", "k3") == 202
        taken = await receiver.until(2)
        assert [one["text"] for one in taken] == ["hello", "more"]
        status = await rig.until(lambda s: s.bus.done >= 2)
        assert status.bus.accepted == 2


async def test_an_adapter_that_is_killed_is_waited_for(tmp_path: Path) -> None:
    async with Receiver() as receiver, running(tmp_path, config=config(receiver.url)) as rig:
        url = await address(rig)
        await rig.until_bots("hook")
        status = await rig.status()
        pid = next(plugin.pid for plugin in status.plugins if plugin.name == "webhook")
        async with aiohttp.ClientSession() as http:
            os.kill(pid, signal.SIGKILL)
            # The platform's part: again until it is taken.
            async with asyncio.timeout(20):
                while await send(http, url, "through the crash", "k1") != 202:
                    await asyncio.sleep(0.1)
        taken = await receiver.until(1)
        assert [one["text"] for one in taken] == ["through the crash"]
        assert (await rig.status()).bus.accepted == 1
