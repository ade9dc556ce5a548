"""The pages for people who come from elsewhere: the Jackfield half of each example is what it says."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from jackfield.v1 import command_pb2
from jackfield_sdk import Plugin, convert
from jackfield_sdk.testing import FakeKernel, message

from tests.platforms.dify.server import chat, served, streams
from tests.platforms.telegram.server import Server as Telegram
from tests.platforms.telegram.world import ANN, BEN, private
from tests.rig.command import Installation
from tests.rig.onebot import OneBotClient

PAGES = Path(__file__).parents[2] / "kernel" / "docs" / "coming-from"
BLOCK = re.compile(r"<!-- runs in a test -->\n```(\w+)\n(.*?)```", re.DOTALL)


def blocks(page: str) -> dict[str, str]:
    """The examples of a page, by language."""
    found = dict(BLOCK.findall((PAGES / f"{page}.md").read_text()))
    assert found, page
    return found


def plugin_of(code: str) -> Plugin:
    """What the code defines."""
    namespace: dict[str, Any] = {"__name__": "example"}
    exec(compile(code, "example", "exec"), namespace)
    plugin = namespace["plugin"]
    assert isinstance(plugin, Plugin)
    return plugin


def installation(folder: Path, config: dict[str, Any]) -> Installation:
    """The default set with what a page adds to it."""
    made = Installation(folder)
    path = folder / "jackfield.yaml"
    own = json.loads(path.read_text())
    for section, entries in config.items():
        for name, entry in entries.items():
            own.setdefault(section, {}).setdefault(name, {}).update(entry)
    path.write_text(json.dumps(own))
    for name in [name for name in made.environ if name.startswith(("OPENAI_", "TELEGRAM_"))]:
        del made.environ[name]
    return made


def test_every_page_runs_something() -> None:
    assert {path.stem for path in PAGES.glob("*.md")} == {"langbot", "hermes", "nonebot2", "astrbot"}
    assert all(blocks(path.stem) for path in PAGES.glob("*.md"))


async def test_nonebot2() -> None:
    plugin = plugin_of(blocks("nonebot2")["python"])
    async with FakeKernel() as kernel, kernel.running(plugin):
        delivered = await kernel.deliver(message("weather"))
        await asyncio.wait_for(delivered.asked.wait(), 10)
        kernel.input(delivered, message("Bath"))
        assert (await asyncio.wait_for(delivered.outcome, 10)).done
    assert [reply.text for reply in delivered.replies] == ["Which city?", "It is sunny in Bath."]


async def test_astrbot() -> None:
    plugin = plugin_of(blocks("astrbot")["python"])
    request = command_pb2.InvokeRequest(name="hello", event=convert.event_to_proto(message("/hello")))
    async with FakeKernel() as kernel, kernel.running(plugin):
        answer = await kernel.call_service(
            "/jackfield.v1.Commands/Invoke", request, command_pb2.InvokeResponse, target="greeter"
        )
    assert answer.reply.segments[0].text.text == "Hello, Ann!"


@pytest.mark.slow
async def test_astrbot_as_a_folder(tmp_path: Path) -> None:
    found, folder = blocks("astrbot"), tmp_path / "greeter"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "__main__.py").write_text(found["python"])
    (folder / "jackfield-plugin.yaml").write_text(found["yaml"])
    made = installation(tmp_path, {"plugins": {"greeter": {"directory": str(folder), "launcher": "process"}}})
    await made.run()
    try:
        async with OneBotClient(made.onebot) as client:
            await client.say("/hello")
            assert await client.until(1) == ["Hello, Ann!"]
    finally:
        await made.stop()


@pytest.mark.slow
async def test_langbot(tmp_path: Path) -> None:
    async with served() as dify:
        text = blocks("langbot")["yaml"].replace("https://api.dify.ai/v1", dify.url)
        made = installation(tmp_path, yaml.safe_load(text))
        dify.scripts = [streams(*chat("<think>hm</think>", "A forbidden ", "word"))]
        await made.run()
        try:
            async with OneBotClient(made.onebot) as client:
                await client.say("forbidden?")
                assert await client.until(1) == ["A *** word"]
                await client.say("!whoami")
                assert "42" in (await client.until(2))[1]
        finally:
            await made.stop()
    assert [asked["query"] for asked in dify.asked] == ["***?"]


@pytest.mark.slow
async def test_hermes(tmp_path: Path) -> None:
    telegram = Telegram()
    async with telegram.running():
        # The played platform knows Ann by another number.
        config = yaml.safe_load(blocks("hermes")["yaml"].replace('"42"', f'"{ANN["id"]}"'))
        config["bots"]["home"]["config"] |= {"api_base_url": telegram.url, "token": telegram.token}
        made = installation(tmp_path, config)
        await made.run()
        try:
            await telegram.say("what time is it?", private(ANN))
            await telegram.until(lambda: any("It is " in text for text in told(telegram, ANN["id"])))
            # Somebody else is a matter of the plugin access, not of the agent.
            await telegram.say("let me in", private(BEN), **{"from": BEN})
            async with asyncio.timeout(15):
                while not (met := await handlers(made, "let me in")):
                    await asyncio.sleep(0.1)
            assert met == {"access"}
        finally:
            await made.stop()


def told(telegram: Telegram, chat_id: int) -> list[str]:
    """Texts that a chat was sent."""
    return [
        str(one.params.get("text", ""))
        for one in telegram.requests
        if str(one.params.get("chat_id")) == str(chat_id) and "text" in one.params
    ]


async def handlers(made: Installation, text: str) -> set[str]:
    """Who was given the message of this text."""
    for one in (await made.ask("event", "list"))["events"]:
        if one.get("text") == text:
            story = await made.ask("event", "show", one["id"])
            return set(re.findall(r'"handler": "(\w+)"', json.dumps(story)))
    return set()
