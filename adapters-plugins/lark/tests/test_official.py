"""The local server is judged by the official library: it connects unmodified but for the address, hears, answers, comes back."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from tests.platforms.lark import APP_ID, APP_SECRET, LarkServer
from tests.platforms.lark.chats import DIRECT
from tests.platforms.lark.events import received

PROGRAM = """
import json, sys, threading
import lark_oapi as lark
from lark_oapi.api.im.v1 import ReplyMessageRequest, ReplyMessageRequestBody, PatchMessageRequest, PatchMessageRequestBody

url, app_id, secret = sys.argv[1:]
client = lark.Client.builder().app_id(app_id).app_secret(secret).domain(url).build()

def on_message(data):
    message = data.event.message
    def answer():
        body = ReplyMessageRequestBody.builder().msg_type("text").content(message.content).build()
        request = ReplyMessageRequest.builder().message_id(message.message_id).request_body(body).build()
        response = client.im.v1.message.reply(request)
        assert response.success(), (response.code, response.msg)
    threading.Thread(target=answer).start()

handler = lark.EventDispatcherHandler.builder("", "").register_p2_im_message_receive_v1(on_message).build()
lark.ws.Client(app_id, secret, event_handler=handler, domain=url).start()
"""


@pytest.mark.slow
async def test_the_official_client_talks_to_the_local_server(tmp_path: Path) -> None:
    program = tmp_path / "peer.py"
    program.write_text(PROGRAM)
    async with LarkServer() as server:
        peer = await asyncio.create_subprocess_exec(
            sys.executable, str(program), server.url, APP_ID, APP_SECRET, stderr=asyncio.subprocess.PIPE
        )
        try:
            await server.until(lambda: server.connections.opened == 1, 60.0)
            server.connections.split = 3
            wire = await server.connections.send(
                received(server.chats.said(DIRECT, "text", {"text": "hello"}))
            )
            await server.until(lambda: wire in server.connections.acked)
            await server.until(lambda: server.posts() == ["hello"])
            await server.connections.drop()
            await server.until(lambda: server.connections.opened == 2)
            await server.connections.send(received(server.chats.said(DIRECT, "text", {"text": "again"})))
            await server.until(lambda: server.posts() == ["hello", "again"])
        finally:
            if peer.returncode is None:
                peer.kill()
            await peer.communicate()
