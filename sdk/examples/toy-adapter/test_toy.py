"""The toy adapter against a toy server."""

import asyncio

import pytest
from jackfield_sdk import Chat, Message, NotSupported, Unavailable
from jackfield_sdk.testing import FakeKernel
from jackfield_toy.adapter import plugin


async def test_lines_come_in_as_events_and_messages_go_out_as_lines() -> None:
    received: asyncio.Queue[str] = asyncio.Queue()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"ann hello there\n")
        while line := await reader.readline():
            received.put_nowait(line.decode())
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, FakeKernel() as kernel, kernel.running(plugin):
        opened = await kernel.open_bot("b", {"host": "127.0.0.1", "port": port})
        assert opened.self is not None
        (published,) = await kernel.wait_published()
        assert published.event.text == "hello there"
        assert published.event.type == "message.received"
        assert published.event.bot == "b"
        await kernel.call("b", "SendMessage", chat=Chat.private("ann"), message=Message("hi"))
        assert await received.get() == "ann hi\n"
        with pytest.raises(NotSupported) as refusal:
            await kernel.call("b", "PinMessage", chat=Chat.private("ann"), message_id="1")
        assert refusal.value.metadata["api"] == "pin_message"
        capabilities = await kernel.call("b", "GetCapabilities")
        assert "send_message" in capabilities.apis
        assert capabilities.receive_segments == ("text",)


async def test_a_server_that_is_not_there_is_said() -> None:
    async with FakeKernel() as kernel, kernel.running(plugin):
        with pytest.raises(Unavailable, match="no toy server"):
            await kernel.open_bot("b", {"host": "127.0.0.1", "port": 1})
