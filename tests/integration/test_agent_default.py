"""What a newcomer meets: the web chat of `make run` is answered by the agent with the demo model and the basic tools."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.platforms.anthropic import server as anthropic
from tests.platforms.openai.server import refuses, served
from tests.rig.command import Installation

pytestmark = pytest.mark.slow


def _without_keys(environ: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in environ.items() if not name.startswith(("OPENAI_", "ANTHROPIC_"))}


class Browser:
    """A page of the web chat."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._ids = itertools.count(1)

    async def say(self, text: str) -> None:
        """Send a message."""
        segments = [{"type": "Plain", "text": text}]
        await self._socket.send_json({"type": "message", "id": f"c{next(self._ids)}", "message": segments})

    async def press(self, message: dict[str, Any], action: str) -> None:
        """Press a button of a message."""
        controls = next(part for part in message["message_chain"] if part["type"] == "Actions")
        frame = {"type": "interaction", "id": f"c{next(self._ids)}", "message_id": message["id"]}
        await self._socket.send_json({**frame, "controls_id": controls["id"], "action_id": action})

    async def heard(self, words: str) -> dict[str, Any]:
        """The next settled message that holds these words."""
        async with asyncio.timeout(30):
            while True:
                frame = await self._socket.receive_json()
                assert frame["type"] != "error", frame
                data = frame.get("data") or {}
                if (
                    frame["type"] == "response"
                    and words in data.get("content", "")
                    and data.get("is_final", True)
                ):
                    found: dict[str, Any] = data
                    return found


async def opened(session: aiohttp.ClientSession, url: str) -> aiohttp.ClientWebSocketResponse:
    """The page's connection, as soon as the bot takes it."""
    async with asyncio.timeout(30):
        while True:
            try:
                return await session.ws_connect(url)
            except aiohttp.WSServerHandshakeError as refusal:
                if refusal.status != 503:
                    raise
                await asyncio.sleep(0.05)


@contextlib.asynccontextmanager
async def house(
    folder: Path, environ: dict[str, str] | None = None
) -> AsyncIterator[tuple[Installation, Browser]]:
    installation = Installation(folder)
    installation.environ = {**_without_keys(installation.environ), **(environ or {})}
    path = folder / "jackfield.yaml"
    config = json.loads(path.read_text())
    config["plugins"]["tools-basic"] = {"config": {"targets": ["web:private:ann"]}}
    path.write_text(json.dumps(config))
    await installation.run()
    try:
        url = f"http://127.0.0.1:{installation.webchat_port}/ws?session=ann"
        async with aiohttp.ClientSession() as session:
            async with await opened(session, url) as socket:
                yield installation, Browser(socket)
    finally:
        await installation.stop()


async def test_the_web_chat_is_answered_by_the_agent(tmp_path: Path) -> None:
    async with house(tmp_path) as (installation, browser):
        await browser.say("hello")
        await browser.heard('You said "hello". (demo model, no real one)')
        await browser.say("what time is it?")
        await browser.heard("It is ")
        await browser.say('use send_message {"target": "web:private:ann", "text": "hi ann"}')
        question = await browser.heard("May I run tools-basic/send_message")
        await browser.press(question, "approve")
        await browser.heard("Sent to web:private:ann.")
        await browser.say('use send_message {"target": "web:private:ann", "text": "again"}')
        await browser.heard("May I run tools-basic/send_message")
        await browser.say("/deny")
        await browser.heard("approval was denied")
        await browser.say("/stop")
        await browser.heard("Nothing is being written here.")
        await installation.command("plugin", "disable", "agent")
        await browser.say("nobody thinks about this")
        assert (await browser.heard("nobody thinks"))["content"] == "nobody thinks about this"
        await installation.command("plugin", "enable", "agent")
        status = await installation.ask("status")
        openai = next(one for one in status["plugins"] if one["name"] == "model-openai")
        assert (openai["state"], openai["reason"]["reason"]) == ("STOPPED", "NOT_CONFIGURED")
        assert status["bus"]["dead"] == "0"


async def test_three_variables_switch_to_a_real_endpoint(tmp_path: Path) -> None:
    async with served() as server:
        environ = {"OPENAI_API_KEY": "sk-1", "OPENAI_BASE_URL": server.url, "OPENAI_MODEL": "m"}
        async with house(tmp_path, environ) as (installation, browser):
            await browser.say("hello")
            await browser.heard("Hello there")
            (asked,) = server.asked
            assert asked["model"] == "m"
            assert "Markdown" in asked["messages"][0]["content"]
            tools = {tool["function"]["name"] for tool in asked["tools"]}
            jobs = {"cancel_job", "list_jobs", "schedule_job"}
            assert tools == {"recall", "remember", "send_message", "time_now"} | jobs
            server.scripts = [refuses(401)]
            await browser.say("and now?")
            await browser.heard("The model could not answer (AUTH_EXPIRED).")
            status = await installation.ask("status")
            assert status["bus"]["dead"] == "0"


async def test_three_others_switch_to_claude_whose_thinking_comes_back_signed(tmp_path: Path) -> None:
    async with anthropic.served() as server:
        server.scripts = [
            anthropic.streams(
                anthropic.start(),
                *anthropic.thinking(0, "sig-1", "the time"),
                *anthropic.tool(1, "toolu_1", "time_now", "{", "}"),
                *anthropic.end("tool_use"),
            ),
            anthropic.streams(*anthropic.words("Tea time")),
        ]
        environ = {"ANTHROPIC_API_KEY": "sk-1", "ANTHROPIC_BASE_URL": server.url, "ANTHROPIC_MODEL": "m"}
        async with house(tmp_path, environ) as (installation, browser):
            await browser.say("what time is it?")
            await browser.heard("Tea time")
            await browser.say("thank you")
            await browser.heard("Tea time")
            _, second, third = server.asked
            thought = {"type": "thinking", "thinking": "the time", "signature": "sig-1"}
            for asked in (second, third):
                assert (asked["model"], asked["system"][-1]["cache_control"]) == ("m", {"type": "ephemeral"})
                assert asked["messages"][1]["content"][0] == thought
            assert third["messages"][-1]["content"][-1]["text"].endswith("thank you")
            server.scripts = [anthropic.refuses(401, "authentication_error")]
            await browser.say("and now?")
            await browser.heard("The model could not answer (AUTH_EXPIRED).")
            status = await installation.ask("status")
            assert status["bus"]["dead"] == "0"
