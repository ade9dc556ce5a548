"""The real adapter under a real kernel, asked by the official client."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import jackfield_agent
import jackfield_api_server
import jackfield_conversation
import jackfield_echo
import jackfield_model_demo
import openai
import pytest
from jackfield_sdk import Context, Event, Plugin
from jackfield_sdk.link.bootstrap import read_bootstrap
from jackfield_sdk.runtime import Runtime
from jackfield_sdk.serve import identity_of

from tests.rig.kernel import Rig, declared, handler_manifest, rule, running

pytestmark = [pytest.mark.integration, pytest.mark.slow]

KEY = "a key of sixteen or more"
USER: Any = [{"role": "user", "content": "hello there"}]


def config(handler: str, *modules: Any, **settings: Any) -> dict[str, Any]:
    plugins: dict[str, Any] = {
        module.__name__.removeprefix("jackfield_").replace("_", "-"): {
            "directory": str(Path(module.__file__ or "").parent)
        }
        for module in (jackfield_api_server, *modules)
    }
    plugins["api-server"]["config"] = {"port": 0, **settings}
    bots = {"work": {"adapter": "api-server", "config": {"key": KEY}}}
    return {"plugins": plugins, "bots": bots, "routes": {"work": [rule(handler)]}}


async def address(rig: Rig) -> str:
    """Where the bot is asked; it may be another port after a crash."""
    await rig.until_bots("work")
    status = await rig.until(lambda s: any(bot.addresses for bot in s.bots))
    return status.bots[0].addresses[0].url


@contextlib.asynccontextmanager
async def client(rig: Rig, **options: Any) -> AsyncIterator[openai.AsyncOpenAI]:
    settings = {"api_key": KEY, "base_url": await address(rig), "max_retries": 0, "timeout": 20, **options}
    async with openai.AsyncOpenAI(**settings) as opened:
        yield opened


async def test_the_official_client_talks_to_echo(tmp_path: Path) -> None:
    async with running(tmp_path, config=config("echo", jackfield_echo)) as rig, client(rig) as ai:
        assert [model.id async for model in ai.models.list()] == ["work"]
        chat = await ai.chat.completions.create(model="m", messages=USER)
        assert (chat.choices[0].message.content, chat.choices[0].finish_reason) == ("hello there", "stop")
        assert chat.usage is not None
        assert chat.usage.total_tokens == 0
        assert (await ai.responses.create(model="m", input="again")).output_text == "again"
        stream = await ai.chat.completions.create(
            model="m", messages=USER, stream=True, stream_options={"include_usage": True}
        )
        chunks = [chunk async for chunk in stream]
        assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == "hello there"
        assert chunks[-1].usage is not None
        assert (await rig.status()).bus.dead == 0


async def test_an_agent_is_heard_while_it_writes(tmp_path: Path) -> None:
    modules = (jackfield_agent, jackfield_model_demo, jackfield_conversation)
    async with running(tmp_path, config=config("agent", *modules)) as rig, client(rig) as ai:
        await rig.until(lambda s: all(one.state == "ACTIVE" for one in s.plugins))
        session = {"X-Session-Id": "s1"}
        words: Any = [{"role": "user", "content": "my name is Ann " + "and I write a lot " * 10}]
        stream = await ai.chat.completions.create(
            model="m", messages=words, stream=True, extra_headers=session
        )
        pieces = [c.choices[0].delta.content or "" async for c in stream if c.choices]
        assert len([piece for piece in pieces if piece]) > 1
        assert "Ann" in "".join(pieces)
        kinds, text = [], ""
        async for step in await ai.responses.create(
            model="m", input="what is my name?", stream=True, extra_headers=session
        ):
            kinds.append(step.type)
            if step.type == "response.output_text.delta":
                text += step.delta
            if step.type == "response.completed":
                assert step.response.output_text == text
        assert "Ann" in text
        assert (kinds[0], kinds[-1]) == ("response.created", "response.completed")


def patient(gate: asyncio.Event) -> Plugin:
    """Answers when the gate opens."""
    plugin = Plugin("h", version="0")

    @plugin.on("message.received")
    async def answer(ctx: Context, event: Event) -> None:
        await gate.wait()
        await ctx.reply(f"heard {event.text}")

    return plugin


@contextlib.asynccontextmanager
async def handling(rig: Rig, plugin: Plugin) -> AsyncIterator[None]:
    """A handler of the configuration in this event loop."""
    path = rig.data.bootstrap(plugin.name)
    async with asyncio.timeout(10):
        while not path.exists():
            await asyncio.sleep(0.01)
    task = asyncio.create_task(Runtime(plugin, read_bootstrap(str(path)), identity_of(plugin)).run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})


async def test_a_crash_drops_the_connection_and_the_same_key_finds_the_one_answer(tmp_path: Path) -> None:
    settings, gate = config("h"), asyncio.Event()
    settings["plugins"] |= declared(tmp_path, handler_manifest())
    headers = {"Idempotency-Key": "order-7", "X-Session-Id": "s1"}
    async with running(tmp_path, config=settings) as rig, handling(rig, patient(gate)):
        async with client(rig) as ai:
            create = ai.chat.completions.create
            asked = asyncio.create_task(create(model="m", messages=USER, extra_headers=headers))
            await rig.until(lambda status: status.bus.accepted == 1)
            pid = next(one.pid for one in (await rig.status()).plugins if one.name == "api-server")
            os.kill(pid, signal.SIGKILL)
            with pytest.raises(openai.APIConnectionError):
                await asked
        await rig.until(
            lambda s: any(p.name == "api-server" and p.state == "ACTIVE" and p.pid != pid for p in s.plugins)
        )
        async with client(rig) as ai:
            # The stream begins when the repeat is known to be durable: only then may the handler answer.
            stream = await ai.chat.completions.create(
                model="m", messages=USER, stream=True, extra_headers=headers
            )
            gate.set()
            text = "".join([c.choices[0].delta.content or "" async for c in stream if c.choices])
            assert text == "heard hello there"
            again = await ai.chat.completions.create(model="m", messages=USER, extra_headers=headers)
            assert again.choices[0].message.content == "heard hello there"
            status = await rig.until(lambda status: status.bus.done == 1)
            assert (status.bus.accepted, status.bus.dead) == (1, 0)
