"""A streamed answer under a key is its last message: recorded, and brought to a caller that was away."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from jackfield.v1 import frame_pb2, tool_pb2, tool_pb2_grpc
from jackfield_sdk import Context, Event, Plugin
from jackfield_sdk.errors import Unavailable
from jackfield_sdk.link.methods import Method
from jackfield_sdk.link.serving import Serving
from jackfield_sdk.testing import FakeKernel, message

CALL = "/jackfield.v1.Tools/CallTool"


class Slow(tool_pb2_grpc.ToolsServicer):
    """Counts its runs; waits at a gate in the middle; writes more than a window holds."""

    def __init__(self) -> None:
        self.runs = 0
        self.begun = asyncio.Event()
        self.gate = asyncio.Event()

    async def CallTool(
        self, request: tool_pb2.CallToolRequest, context: Any
    ) -> AsyncIterator[tool_pb2.CallToolResponse]:
        self.runs += 1
        self.begun.set()
        yield progress("first")
        await self.gate.wait()
        for _ in range(100):
            yield progress("more")
        result = tool_pb2.ToolResult()
        result.content.segments.add().text.text = "done"
        yield tool_pb2.CallToolResponse(result=result)


def progress(text: str) -> tool_pb2.CallToolResponse:
    return tool_pb2.CallToolResponse(progress=tool_pb2.ToolProgress(text=text))


def provider() -> tuple[Plugin, Slow]:
    plugin, slow = Plugin("tools"), Slow()
    plugin.service(slow)
    return plugin, slow


def asker(heard: list[list[str]]) -> Plugin:
    """Calls the tool at each attempt, again when the connection broke; notes what it hears."""
    plugin = Plugin("asker")

    @plugin.on("message.received")
    async def ask(ctx: Context, event: Event) -> None:
        while True:
            texts: list[str] = []
            try:
                async for step in ctx.call_stream(
                    CALL,
                    tool_pb2.CallToolRequest(name="slow"),
                    tool_pb2.CallToolResponse,
                    target="tools",
                    key="k",
                ):
                    texts.append(step.progress.text or step.result.content.segments[0].text.text)
            except Unavailable:
                await ctx.kv.get("connected")
                continue
            heard.append(texts)
            return

    return plugin


async def test_a_repeat_brings_the_last_message_and_runs_nothing() -> None:
    tools, slow = provider()
    slow.gate.set()
    heard: list[list[str]] = []
    async with FakeKernel() as kernel, kernel.running(tools), kernel.running(asker(heard)):
        first = await kernel.deliver(message("go"), plugin="asker")
        assert (await first.outcome).done
        again = await kernel.redeliver(first)
        assert (await again.outcome).done
    assert heard == [["first", *["more"] * 100, "done"], ["done"]]
    assert slow.runs == 1


async def test_a_provider_goes_on_without_its_kernel_and_keeps_the_end() -> None:
    tools, slow = provider()
    heard: list[list[str]] = []
    async with FakeKernel() as kernel, kernel.running(tools), kernel.running(asker(heard)):
        delivered = await kernel.deliver(message("go"), plugin="asker")
        await slow.begun.wait()
        kernel.state.recorded.clear()
        await kernel.stop()
        slow.gate.set()
        await kernel.restart()
        assert (await delivered.outcome).done
    assert heard == [["done"]]
    assert slow.runs == 1


async def test_a_call_that_still_runs_is_joined_after_a_restart() -> None:
    tools, slow = provider()
    heard: list[list[str]] = []
    async with FakeKernel() as kernel, kernel.running(tools), kernel.running(asker(heard)):
        delivered = await kernel.deliver(message("go"), plugin="asker")
        await slow.begun.wait()
        await kernel.restart()
        for name in ("tools", "asker"):
            await kernel.sessions[name].attached.wait()
        slow.gate.set()
        assert (await delivered.outcome).done
    assert heard[0][-1] == "done"
    assert slow.runs == 1


async def test_a_request_stream_that_breaks_before_it_ran_begins_anew() -> None:
    """The open frame and the end of the connection may come in the same turn of the loop."""
    runs: list[list[bytes]] = []

    async def collect(requests: AsyncIterator[bytes], context: Any) -> bytes:
        runs.append([request async for request in requests])
        return b"done"

    sent: list[frame_pb2.Frame] = []
    method = Method("/x.Y/Z", True, False, bytes, bytes, collect)
    serving = Serving(sent.append, {method.path: method})

    def opened(call_id: int, body: bytes) -> frame_pb2.CallOpen:
        frame = frame_pb2.CallOpen(call_id=call_id, method=method.path, body=body, half_closed=True)
        frame.caller.idempotency_key = "k"
        return frame

    serving.opened(opened(2, b"before"))
    serving.lost()
    serving.opened(opened(2, b"after"))
    while not sent:
        await asyncio.sleep(0)
    assert runs == [[b"after"]]
    assert sent[0].call_end.body == b"done"
