"""Notes stay in their chat, messages go only where the operator said."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from jackfield.v1 import tool_pb2
from jackfield_sdk import Chat, InvalidArgument, NotFound, Target, wellknown
from jackfield_sdk.testing import FakeKernel
from jackfield_tools_basic.tools import build

SERVICE = "/jackfield.v1.Tools/"
ANN, BOB = Chat.private("ann"), Chat.private("bob")


@pytest.fixture
async def kernel() -> AsyncIterator[FakeKernel]:
    config = {"time_zone": "Europe/Berlin", "targets": ["web:group:5"]}
    async with FakeKernel() as kernel, kernel.running(build(), config=config):
        yield kernel


async def run(kernel: FakeKernel, name: str, chat: Chat | None = ANN, key: str = "", **arguments: Any) -> str:
    request = tool_pb2.CallToolRequest(name=name, arguments=wellknown.struct_to_proto(arguments))
    target = Target(bot="web" if chat else "", chat=chat, plugin="tools-basic")
    call = kernel.open_call(SERVICE + "CallTool", request, target=target, key=key, server_streaming=True)
    text = ""
    while (body := await call.read()) is not None:
        response = tool_pb2.CallToolResponse.FromString(body)
        text += "".join(segment.text.text for segment in response.result.content.segments)
    return text


async def test_what_is_offered(kernel: FakeKernel) -> None:
    async def names() -> list[str]:
        listed = await kernel.call_service(
            SERVICE + "ListTools", tool_pb2.ListToolsRequest(), tool_pb2.ListToolsResponse
        )
        return [tool.name for tool in listed.tools]

    assert await names() == ["recall", "remember", "send_message", "time_now"]
    kernel.configure({})
    assert "send_message" not in await names()


async def test_the_time(kernel: FakeKernel) -> None:
    assert "CE" in await run(kernel, "time_now")


async def test_notes_belong_to_their_chat_and_are_taken_once(kernel: FakeKernel) -> None:
    for _ in range(2):
        assert await run(kernel, "remember", key="k1", text="likes tea") == "Remembered."
    await run(kernel, "remember", key="k2", text="has a cat")
    assert await run(kernel, "recall") == "- likes tea\n- has a cat"
    assert "Nothing" in await run(kernel, "recall", BOB)
    with pytest.raises(InvalidArgument, match="names none"):
        await run(kernel, "recall", None)


async def test_messages_go_only_where_the_operator_said(kernel: FakeKernel) -> None:
    for _ in range(2):
        assert await run(kernel, "send_message", key="k", target="web:group:5", text="hi") == (
            "Sent to web:group:5."
        )
    assert [(sent.bot, sent.chat, sent.text) for sent in kernel.sent] == [("web", Chat.group("5"), "hi")]
    with pytest.raises(InvalidArgument, match="is none of"):
        await run(kernel, "send_message", target="web:group:6", text="hi")
    kernel.configure({})
    with pytest.raises(NotFound):
        await run(kernel, "send_message", target="web:group:5", text="hi")


@pytest.mark.parametrize("text", ["", "  ", "x" * 1001, 7])
async def test_arguments_are_checked(kernel: FakeKernel, text: Any) -> None:
    with pytest.raises(InvalidArgument, match="text: expected"):
        await run(kernel, "remember", text=text)
