"""The webhook handler is killed again and again under a real kernel: what its URL asks for is done once."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from pathlib import Path

import pytest
from aiohttp import web

from tests.rig.command import Installation
from tests.rig.onebot import OneBotClient

pytestmark = [pytest.mark.slow, pytest.mark.chaos]

MESSAGES = 4


async def test_actions_are_done_once(tmp_path: Path) -> None:
    seen: dict[str, set[str]] = {}

    async def hook(request: web.Request) -> web.Response:
        event = (await request.json())["event"]
        text = event["message_received"]["message"]["segments"][0]["text"]["text"]
        seen.setdefault(text, set()).add(event["event_id"])
        # Long enough for a kill to find it waiting.
        await asyncio.sleep(1.0)
        actions = [{"type": "reply", "params": {"message": f"{part} {text}"}} for part in ("first", "second")]
        return web.json_response({"actions": actions})

    app = web.Application()
    app.router.add_post("/", hook)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    rule = {
        "id": "hook",
        "event": "message.received",
        "handler": "webhook-handler",
        "config": {
            "url": f"http://127.0.0.1:{runner.addresses[0][1]}/",
            "response_actions": True,
            "allowed_actions": ["reply"],
        },
    }
    installation = Installation(tmp_path)
    path = tmp_path / "jackfield.yaml"
    config = json.loads(path.read_text())
    config["plugins"] |= {
        "webhook-handler": {"config": {"allow_private": ["127.0.0.1/32"]}},
        "router": {"config": {"default_rules": [rule]}},
    }
    path.write_text(json.dumps(config))
    await installation.run()
    try:
        async with OneBotClient(installation.onebot) as client:
            for number in range(MESSAGES):
                await client.say("m" * (number + 1), user=42 + number)
                if number % 2:
                    # Between the actions of an answer, or after them.
                    await client.until(2 * number + 1)
                else:
                    # While the URL thinks.
                    async with asyncio.timeout(30):
                        while len(seen) <= number:
                            await asyncio.sleep(0.01)
                dead = await installation.pid("webhook-handler")
                os.kill(dead, signal.SIGKILL)
                async with asyncio.timeout(30):
                    while await installation.pid("webhook-handler") in (0, dead):
                        await asyncio.sleep(0.05)
                await client.until(2 * (number + 1))
            await client.say("the last word", user=42)
            await client.until(2 * MESSAGES + 2)
            expected = [
                f"{part} {'m' * (number + 1)}" for number in range(MESSAGES) for part in ("first", "second")
            ]
            assert sorted(client.replies) == sorted(
                [*expected, "first the last word", "second the last word"]
            )
            assert all(len(ids) == 1 for ids in seen.values())
    finally:
        await installation.stop()
        await runner.cleanup()
