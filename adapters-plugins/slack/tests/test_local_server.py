"""The local Slack is good enough for Slack's own SDK, unmodified but for its base address."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.socket_mode.aiohttp import SocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.socket_mode.response import SocketModeResponse
from slack_sdk.web.async_client import AsyncWebClient

from tests.platforms.slack import APP_TOKEN, BOT_TOKEN, SlackServer
from tests.platforms.slack.events import callback
from tests.platforms.slack.workspace import DIRECT, GENERAL

# A local server and the fake kernel for each test: together more than `make test-fast` has time for.
pytestmark = pytest.mark.slow


async def test_the_official_socket_client_connects_acknowledges_and_follows_a_disconnect() -> None:
    async with SlackServer() as server:
        web = AsyncWebClient(token=BOT_TOKEN, base_url=server.api)
        client = SocketModeClient(app_token=APP_TOKEN, web_client=web)
        heard: list[str] = []

        async def listen(client: Any, request: SocketModeRequest) -> None:
            heard.append(request.payload["event"]["text"])
            await client.send_socket_mode_response(SocketModeResponse(envelope_id=request.envelope_id))

        client.socket_mode_request_listeners.append(listen)
        try:
            await client.connect()
            first = await server.sockets.send("events_api", callback(server.workspace.say(DIRECT, "one")))
            await server.sockets.until_acked(first)
            await server.sockets.disconnect()
            await server.sockets.until_connected(2)
            second = await server.sockets.send("events_api", callback(server.workspace.say(DIRECT, "two")))
            await server.sockets.until_acked(second)
            assert heard == ["one", "two"]
        finally:
            await client.close()
            client.message_processor.cancel()
            await asyncio.gather(client.message_processor, return_exceptions=True)
            await client.aiohttp_client_session.close()


async def test_the_official_web_client_posts_pages_uploads_and_sees_refusals() -> None:
    async with SlackServer() as server:
        web = AsyncWebClient(token=BOT_TOKEN, base_url=server.api)
        posted = await web.chat_postMessage(channel=GENERAL, text="hi")
        await web.chat_update(channel=GENERAL, ts=posted["ts"], text="ho")
        assert server.posts() == ["ho"]
        members: list[str] = []
        async for page in await web.conversations_members(channel=GENERAL, limit=2):
            members.extend(page["members"])
        assert len(members) == 3
        await web.files_upload_v2(channel=GENERAL, content=b"text", filename="t.txt")
        assert next(iter(server.workspace.files.values()))["content"] == b"text"
        with pytest.raises(SlackApiError, match="channel_not_found"):
            await web.chat_postMessage(channel="C404", text="hi")
        server.fail("chat.postMessage", status=429, Retry_After="3")
        with pytest.raises(SlackApiError) as limited:
            await web.chat_postMessage(channel=GENERAL, text="hi")
        assert limited.value.response.headers["Retry-After"] == "3"
