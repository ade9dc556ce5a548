"""The plugin under a fake kernel, against the local Bot API server."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from jackfield.v1 import adapter_message_pb2
from jackfield_sdk import MediaChunk, Target, convert
from jackfield_sdk.testing import FakeKernel
from jackfield_telegram.adapter import build

from tests.platforms.telegram.server import Server

ADAPTER = "/jackfield.v1.Adapter/"


class Stage:
    """Fake kernel, server, and the bot `one` on the plugin."""

    def __init__(self, kernel: FakeKernel, server: Server) -> None:
        self.kernel = kernel
        self.server = server

    async def open(self, checkpoint: bytes = b"", **config: Any) -> Any:
        given = {
            "token": self.server.token,
            "api_base_url": self.server.url,
            "poll_timeout": 20,
            "command_menu": False,
            **config,
        }
        return await self.kernel.open_bot("one", given, plugin="telegram", checkpoint=checkpoint)

    async def call(self, api: str, **fields: Any) -> Any:
        return await self.kernel.call("one", api, **fields)

    async def kernel_blob(self, data: bytes) -> str:
        blob_id = f"sha256-{hashlib.sha256(data).hexdigest()}"
        self.kernel.state.blobs[blob_id] = data
        return blob_id

    async def fetch(self, file_id: str, max_bytes: int = 0) -> list[MediaChunk]:
        request = adapter_message_pb2.FetchMediaRequest(platform_id=file_id, max_bytes=max_bytes)
        stream = self.kernel.open_call(
            ADAPTER + "FetchMedia", request, target=Target(bot="one"), server_streaming=True
        )
        chunks = []
        while (body := await stream.read()) is not None:
            chunks.append(convert.to_plain(adapter_message_pb2.FetchMediaResponse.FromString(body)))
        return chunks

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
