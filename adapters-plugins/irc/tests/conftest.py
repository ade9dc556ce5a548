"""The plugin on a fake kernel beside a local server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from jackfield_irc.adapter import build
from jackfield_sdk.testing import FakeKernel

from tests.platforms.irc.server import ACCOUNT, PASSWORD, ROOM, Server


class World:
    """A bot that is in the channel."""

    def __init__(self, kernel: FakeKernel, server: Server) -> None:
        self.kernel = kernel
        self.server = server

    def config(self, **more: Any) -> dict[str, Any]:
        return {
            "server": "127.0.0.1",
            "port": self.server.port,
            "tls": False,
            "nick": "jack",
            "account": ACCOUNT,
            "password": PASSWORD,
            "channels": [ROOM],
            "flood_seconds": 0,
            **more,
        }

    async def until(self, holds: Any) -> None:
        async with self.server.changed:
            await self.server.changed.wait_for(holds)


async def _at_once(seconds: float) -> None:
    """Nobody waits in tests."""


@pytest.fixture
async def world() -> AsyncIterator[World]:
    server = Server()
    await server.start()
    try:
        async with FakeKernel() as kernel, kernel.running(build(_at_once), grants=["network"]):
            made = World(kernel, server)
            await kernel.open_bot("irc", made.config())
            yield made
    finally:
        await server.stop()
