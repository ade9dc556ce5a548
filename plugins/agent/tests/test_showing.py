"""The platform shows that an answer is on its way; that it cannot costs nothing."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from agent_scene import Scene, says
from jackfield.v1 import adapter_message_pb2
from jackfield_sdk import Unavailable, wellknown
from jackfield_sdk.testing import message

TYPING = "/jackfield.v1.Adapter/SendTyping"


def platform(scene: Scene, *apis: str) -> None:
    """The bot of the test has an adapter with these methods."""
    adapter = scene.kernel.state.catalog.plugins.add(name="platform", state="ACTIVE")
    adapter.manifest.CopyFrom(wellknown.struct_to_proto({"provides": {"apis": list(apis)}}))
    scene.kernel.state.catalog.bots.add(name=message("x").bot, adapter="platform", enabled=True)


async def answered_after(scene: Scene, waited: asyncio.Event) -> str:
    """What the user gets from a model that thinks until something happened."""

    async def thinks() -> Any:
        await asyncio.wait_for(waited.wait(), 10)
        return says("Done thinking.")

    scene.play()
    scene.answers = [thinks]
    async with scene.running():
        delivered = await scene.kernel.deliver(message("hi"))
        assert (await delivered.outcome).done
        return delivered.replies[0].text


async def test_typing_is_shown_while_the_model_thinks(scene: Scene) -> None:
    platform(scene, "send_typing")
    shown = asyncio.Event()

    def typed(_: Any) -> Any:
        shown.set()
        return adapter_message_pb2.SendTypingResponse()

    scene.kernel.answer(TYPING, adapter_message_pb2.SendTypingRequest, typed)
    assert await answered_after(scene, shown) == "Done thinking."


@pytest.mark.parametrize("apis", [(), ("send_typing",)])
async def test_an_answer_needs_no_typing(scene: Scene, apis: tuple[str, ...]) -> None:
    platform(scene, *apis)
    asked = asyncio.Event()

    def fails(_: Any) -> Any:
        asked.set()
        raise Unavailable("not now")

    scene.kernel.answer(TYPING, adapter_message_pb2.SendTypingRequest, fails)
    if not apis:
        asked.set()
    assert await answered_after(scene, asked) == "Done thinking."
