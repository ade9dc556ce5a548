"""Forward and HTTP mode under a real kernel, with real ingress; the adapter is killed in between."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import jackfield_echo
import jackfield_ingress
import jackfield_onebot
import pytest
from jackfield_sdk import InvalidArgument
from jackfield_sdk.ingress import HttpRequest, HttpResponse
from jackfield_sdk.testing import FakeKernel
from simulated_onebot import World

from tests.platforms.onebot.modes import Forward, Http, Served
from tests.rig.kernel import Rig, rule, running

pytestmark = pytest.mark.integration
SECRET = "a secret of onebot"


class Poster:
    """Posts as an implementation does: signed, to the address that the operator copied."""

    urls = ()

    def __init__(self, url: str, http: aiohttp.ClientSession, secret: str = SECRET) -> None:
        self._url, self._http, self._secret = url, http, secret
        self.statuses: list[int] = []

    async def request(self, request: HttpRequest) -> HttpResponse:
        digest = hmac.new(self._secret.encode(), request.body, hashlib.sha1).hexdigest()
        headers = {**dict(request.headers), "X-Signature": f"sha1={digest}"}
        async with self._http.post(self._url, data=request.body, headers=headers) as answer:
            self.statuses.append(answer.status)
            return HttpResponse(answer.status, await answer.read())


@asynccontextmanager
async def kernel(platform: Served, folder: Path) -> AsyncIterator[Rig]:
    modules = (jackfield_echo, jackfield_ingress, jackfield_onebot)
    plugins: dict[str, Any] = {
        module.__name__.removeprefix("jackfield_"): {"directory": str(Path(module.__file__ or "").parent)}
        for module in modules
    }
    for name in ("ingress", "onebot"):
        plugins[name]["config"] = {"host": "127.0.0.1", "port": 0}
    await platform.start()
    bots = {"qq": {"adapter": "onebot", "config": platform.bot_config()}, "onebot": {"enabled": False}}
    config = {"plugins": plugins, "bots": bots, "routes": {"qq": [rule("echo")]}}
    try:
        async with asyncio.timeout(30), running(folder, config=config) as rig:
            await rig.until_bots("qq")
            yield rig
    finally:
        await platform.stop()


def said(platform: Served) -> list[str]:
    return [one.text for one in platform.seen if one.action == "send_message"]


async def kill(rig: Rig, answered: int) -> None:
    """Once the answers are recorded: what the platform took and nobody recorded would be sent again."""
    await rig.until(lambda status: status.bus.done == answered)
    pid = next(one.pid for one in (await rig.status()).plugins if one.name == "onebot")
    os.kill(pid, signal.SIGKILL)


async def test_forward_mode_answers_and_dials_again_after_a_kill_and_a_cut(tmp_path: Path) -> None:
    platform = Forward()
    async with kernel(platform, tmp_path) as rig:
        await platform.say("one")
        await platform.until(lambda: said(platform) == ["one"])
        await kill(rig, 1)
        await platform.until(lambda: platform.dialled == 2)
        await platform.say("two")
        await platform.until(lambda: said(platform) == ["one", "two"])
        await rig.until(lambda status: status.bus.done == 2)
        await platform.drop()
        await platform.until(lambda: platform.dialled == 3)
        await platform.say("three")
        await platform.until(lambda: said(platform) == ["one", "two", "three"])


async def test_http_mode_takes_signed_posts_once_and_no_others(tmp_path: Path) -> None:
    platform = Http()
    async with kernel(platform, tmp_path) as rig, aiohttp.ClientSession() as http:
        status = await rig.until(lambda s: any(bot.addresses for bot in s.bots))
        url = next(bot.addresses[0].url for bot in status.bots if bot.name == "qq")
        poster = Poster(url, http)
        platform._reach = poster
        await platform.say("one")
        await platform.again()
        assert poster.statuses == [204, 204]
        await platform.until(lambda: said(platform) == ["one"])
        stranger = Poster(url, http, "another secret")
        platform._reach = stranger
        await platform.say("forged")
        assert stranger.statuses == [401]
        platform._reach = poster
        await kill(rig, 1)
        # Ingress waits for the adapter until the platform's deadline.
        while poster.statuses[-1] != 204 or len(poster.statuses) == 2:
            await (platform.say("two") if len(poster.statuses) == 2 else platform.again())
        await platform.until(lambda: said(platform) == ["one", "two"])
        assert (await rig.status()).bus.accepted == 2


@pytest.mark.parametrize(
    "config",
    [
        {"mode": "forward"},
        {"mode": "forward", "url": "http://127.0.0.1:1"},
        {"mode": "http", "url": "ws://127.0.0.1:1"},
    ],
)
async def test_a_mode_needs_its_address(config: dict[str, Any], onebot: World) -> None:
    with pytest.raises(InvalidArgument, match="needs url to begin with"):
        await onebot.kernel.open_bot("two", config, plugin="onebot")


async def test_an_implementation_that_is_away_is_waited_for(onebot: World) -> None:
    kernel: FakeKernel = onebot.kernel
    await kernel.open_bot("two", {"mode": "forward", "url": "ws://127.0.0.1:1"}, plugin="onebot")
    await kernel.open_bot("three", {"mode": "http", "url": "http://127.0.0.1:1"}, plugin="onebot")
    # The bot that waits for every account is still the one for clients that dial in.
    async with onebot.client() as client:
        await client.private("hello")
        (published,) = await kernel.wait_published()
        assert published.event.bot == "one"
