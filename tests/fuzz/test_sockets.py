"""Chat users and platforms that send anything: their socket may be closed, the plugin stays, and the next sane message arrives."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from typing import Any

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jackfield_onebot.adapter import build
from jackfield_sdk.testing import FakeKernel
from jackfield_webchat.adapter import create_plugin

from .strategies import examples, mutated, values

pytestmark = pytest.mark.slow

SAID = {
    "time": 1_700_000_000,
    "self_id": 10000,
    "post_type": "message",
    "message_type": "group",
    "sub_type": "normal",
    "message_id": 42,
    "user_id": 7,
    "group_id": 5,
    "message": [
        {"type": "at", "data": {"qq": "10000"}},
        {"type": "image", "data": {"file": "a", "url": "http://x/"}},
    ],
    "sender": {"user_id": 7, "nickname": "Ann", "card": "Annie"},
}
NOTICE = {
    "time": 1,
    "self_id": 10000,
    "post_type": "notice",
    "notice_type": "group_increase",
    "user_id": 7,
    "group_id": 5,
}
PAGE = [
    {
        "type": "message",
        "id": "c1",
        "message": [{"type": "Plain", "text": "hi"}, {"type": "Image", "base64": "aGk="}],
    },
    {
        "type": "interaction",
        "id": "c2",
        "message_id": "m",
        "controls_id": "k",
        "action_id": "a",
        "values": {"x": "y"},
    },
    {"type": "history", "before": "m1", "limit": 5},
]


class Faults(logging.Handler):
    """Tracebacks that were logged: input from outside may cause words, but none of those."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info:
            self.found.append(self.format(record))

    def __enter__(self) -> Faults:
        logging.getLogger().addHandler(self)
        return self

    def __exit__(self, *error: object) -> None:
        logging.getLogger().removeHandler(self)
        assert not self.found, self.found[0]


def text_of(frame: Any) -> str:
    """JSON as a browser or a platform sends it; what JSON cannot say goes as it is."""
    return json.dumps(frame, default=str)


def frames(*sane: Any) -> st.SearchStrategy[list[str | bytes]]:
    """What one client sends."""
    nearly = st.sampled_from(sane).flatmap(mutated).map(text_of)
    return st.lists(
        nearly | values.map(text_of) | st.text(max_size=40) | st.binary(max_size=40), min_size=1, max_size=10
    )


async def throw(socket: aiohttp.ClientWebSocketResponse, sent: list[str | bytes]) -> None:
    """Send all of it, as long as the other side listens."""
    with contextlib.suppress(ConnectionError, aiohttp.ClientError):
        for frame in sent:
            if isinstance(frame, bytes):
                await socket.send_bytes(frame)
            else:
                await socket.send_str(frame.encode("utf-8", "replace").decode())


async def arrives(kernel: FakeKernel, text: str) -> None:
    """An event with this text was published."""
    async with asyncio.timeout(20):
        while not any(text in str(one.event) for one in kernel.published):
            await asyncio.sleep(0.005)


async def onebot(sent: list[str | bytes]) -> None:
    headers = {"X-Self-ID": "10000", "X-Client-Role": "Universal"}
    async with (
        FakeKernel() as kernel,
        kernel.running(build(), config={"port": 0}, grants=["network"]) as plugin,
    ):
        await kernel.open_bot("one", plugin="onebot")
        (address,) = plugin.runtime.context.addresses
        async with aiohttp.ClientSession() as session:
            async with session.ws_connect(address.url, headers=headers) as socket:
                await throw(socket, sent)
            async with session.ws_connect(address.url, headers=headers) as socket:
                sane = {**SAID, "message_id": 777, "message": "sane again"}
                await socket.send_json(sane)
                await arrives(kernel, "sane again")


async def webchat(sent: list[str | bytes]) -> None:
    async with (
        FakeKernel() as kernel,
        kernel.running(create_plugin(), config={"port": 0}, grants=["network"]) as plugin,
    ):
        await kernel.open_bot("web", {})
        url = f"{plugin.addresses[0][1]}ws?session="
        async with aiohttp.ClientSession() as session:
            async with session.ws_connect(f"{url}wild") as socket:
                await throw(socket, sent)
            async with session.ws_connect(f"{url}anna") as socket:
                said = {"type": "message", "id": "c9", "message": [{"type": "Plain", "text": "sane again"}]}
                await socket.send_json(said)
                await arrives(kernel, "sane again")


@examples(40)
@given(frames(SAID, NOTICE))
def test_any_frames_of_a_onebot_client(sent: list[str | bytes]) -> None:
    with Faults():
        asyncio.run(onebot(sent))


@examples(40)
@given(frames(*PAGE))
def test_any_frames_of_a_browser(sent: list[str | bytes]) -> None:
    with Faults():
        asyncio.run(webchat(sent))
