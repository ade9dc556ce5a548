"""The plugin under a fake kernel, against the local Bot API server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from jackfield_sdk.testing import FakeKernel
from jackfield_telegram.adapter import build

from tests.platforms.telegram.server import TOKEN, Server


class Stage:
    """Fake kernel, server, and the bot `one` on the plugin."""

    def __init__(self, kernel: FakeKernel, server: Server) -> None:
        self.kernel = kernel
        self.server = server

    async def open(self, checkpoint: bytes = b"", **config: Any) -> Any:
        given = {"token": TOKEN, "api_base_url": self.server.url, "poll_timeout": 20, "command_menu": False, **config}
        return await self.kernel.open_bot("one", given, plugin="telegram", checkpoint=checkpoint)

    async def call(self, api: str, **fields: Any) -> Any:
        return await self.kernel.call("one", api, **fields)

    async def published(self, count: int = 1) -> list[Any]:
        return [one.event for one in await self.kernel.wait_published(count)]


@asynccontextmanager
async def stage(**config: Any) -> AsyncIterator[Stage]:
    """Waits of the adapter are not waited for."""
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    async with Server().running() as server, FakeKernel() as kernel:
        async with kernel.running(build(sleep), grants=["kv", "catalog"]):
            made = Stage(kernel, server)
            made.waits = waits
            await made.open(**config)
            yield made


@pytest.fixture
async def telegram() -> AsyncIterator[Stage]:
    """A bot that polls."""
    async with stage() as made:
        yield made
