"""Parts that the tests share."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest
from jackfield_lark.web import Web

from tests.platforms.lark import APP_ID, APP_SECRET, LarkServer


@pytest.fixture
async def server() -> AsyncIterator[LarkServer]:
    async with LarkServer() as running:
        yield running


@pytest.fixture
async def web(server: LarkServer) -> AsyncIterator[Web]:
    async with aiohttp.ClientSession() as http:
        yield Web(APP_ID, APP_SECRET, server.url, http)
