"""The plugin under a fake kernel, against the local server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from jackfield_discord.adapter import build
from jackfield_sdk.testing import FakeKernel

from tests.platforms.discord.server import TOKEN, Server


class Stage:
    """Fake kernel, server, and the bot `one` on the plugin."""

    def __init__(self, kernel: FakeKernel, server: Server, running: Any) -> None:
        self.kernel = kernel
        self.server = server
        self.running = running
        self.waits: list[float] = []

    async def open(self, checkpoint: bytes = b"", **config: Any) -> Any:
        given = {"token": TOKEN, "api_base_url": self.server.url, "slash_commands": False, **config}
        return await self.kernel.open_bot("one", given, plugin="discord", checkpoint=checkpoint)

    async def call(self, api: str, **fields: Any) -> Any:
        return await self.kernel.call("one", api, **fields)

    async def events(self, count: int = 1) -> list[Any]:
        """The first events, without those that the adapter tells about its session."""
        wanted = count
        while True:
            published = [one.event for one in await self.kernel.wait_published(wanted)]
            told = [event for event in published if event.type != "platform.discord.session_started"]
            if len(told) >= count:
                return told
            wanted += count - len(told)


@asynccontextmanager
async def stage(
    server: Server | None = None, *, open_bot: bool = True, **config: Any
) -> AsyncIterator[Stage]:
    """Waits of the adapter are not waited for."""
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        await asyncio.sleep(0)

    async with (server or Server()).running() as serving, FakeKernel() as kernel:
        async with kernel.running(build(sleep), grants=["kv", "catalog"]) as running:
            made = Stage(kernel, serving, running)
            made.waits = waits
            if open_bot:
                await made.open(**config)
            yield made
