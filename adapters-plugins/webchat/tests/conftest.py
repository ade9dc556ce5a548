"""The plugin on a fake kernel, and browsers without a page."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import pytest
from jackfield_sdk.testing import FakeKernel, RunningPlugin
from jackfield_webchat.adapter import create_plugin

Frame = dict[str, Any]


class Browser:
    """One WebSocket."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket

    async def send(self, **frame: Any) -> None:
        await self.socket.send_json(frame)

    async def say(self, text: str, frame_id: str = "c1") -> None:
        await self.send(type="message", id=frame_id, message=[{"type": "Plain", "text": text}])

    async def next(self) -> Frame:
        message = await self.socket.receive(timeout=10)
        assert message.type is aiohttp.WSMsgType.TEXT, message
        frame: Frame = json.loads(message.data)
        return frame

    async def until(self, kind: str) -> Frame:
        while (frame := await self.next())["type"] != kind:
            pass
        return frame

    async def ended(self) -> int | None:
        while (await self.socket.receive(timeout=10)).type is aiohttp.WSMsgType.TEXT:
            pass
        return self.socket.close_code


class Chat:
    """A running plugin with one open bot."""

    def __init__(self, kernel: FakeKernel, running: RunningPlugin, client: aiohttp.ClientSession) -> None:
        self.sockets: list[aiohttp.ClientWebSocketResponse] = []
        self.kernel = kernel
        self.running = running
        self.client = client

    @property
    def url(self) -> str:
        return self.running.addresses[0][1]

    async def browser(
        self, session: str = "anna", query: str = "", path: str = "ws", headers: dict[str, str] | None = None
    ) -> Browser:
        address = f"{self.url}{path}?session={session}{query}"
        socket = await self.client.ws_connect(address, headers=headers)
        self.sockets.append(socket)
        return Browser(socket)

    async def hang_up(self) -> None:
        """Close what the test left open."""
        for socket in self.sockets:
            await socket.close()

    async def greeted(self, session: str = "anna", query: str = "") -> Browser:
        browser = await self.browser(session, query)
        assert (await browser.next())["type"] == "connected"
        return browser


StartChat = Callable[..., Awaitable[Chat]]


@pytest.fixture
async def start() -> AsyncIterator[StartChat]:
    """Starts the plugin: `await start(bot={...}, port=0, kernel=...)`."""
    async with AsyncExitStack() as stack:

        async def begin(
            *,
            bot: dict[str, Any] | None = None,
            kernel: FakeKernel | None = None,
            open_bot: bool = True,
            wait_ready: bool = True,
            **config: Any,
        ) -> Chat:
            kernel = kernel or await stack.enter_async_context(FakeKernel())
            plugin = create_plugin(retry_seconds=0.02)
            running = kernel.running(
                plugin, config={"port": 0, **config}, grants=["network"], wait_ready=wait_ready
            )
            client = aiohttp.ClientSession(headers={"X-Session": "person:anna"})
            await stack.enter_async_context(client)
            chat = Chat(kernel, await stack.enter_async_context(running), client)
            stack.push_async_callback(chat.hang_up)
            if open_bot:
                await kernel.open_bot("web", bot or {})
            return chat

        yield begin


@pytest.fixture
async def chat(start: StartChat) -> Chat:
    """The default bot on a free port."""
    return await start()
