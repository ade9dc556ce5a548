"""An echo handler without the SDK: generated stubs, one stream, one loop. `sdk/docs/wire.md` explains each
step."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from typing import Any

import grpc.aio
from jackfield.v1 import adapter_message_pb2, frame_pb2, kernel_pb2, kernel_pb2_grpc

REPLY = "/jackfield.v1.Adapter/ReplyMessage"


async def run(bootstrap: dict[str, Any]) -> None:
    """Serves one session; a real plugin reconnects with the resume token when the stream breaks."""
    options = [("grpc.default_authority", "localhost"), ("grpc.enable_http_proxy", 0)]
    async with grpc.aio.insecure_channel(bootstrap["address"], options) as channel:
        kernel: Any = kernel_pb2_grpc.KernelStub(channel)
        identity = {"plugin": bootstrap["plugin"], "secret": bootstrap["secret"], "contract_versions": [1]}
        session = await kernel.Register(kernel_pb2.RegisterRequest(**identity))
        outgoing: asyncio.Queue[frame_pb2.Frame] = asyncio.Queue()
        outgoing.put_nowait(frame_pb2.Frame(attach=frame_pb2.Attach(session_id=session.session_id)))
        stream = kernel.Attach(batches(outgoing))
        fences: dict[int, int] = {}  # the delivery behind each call of ours
        calls = -1
        pings: asyncio.Task[None] | None = None
        async for batch in stream:
            for frame in batch.frames:
                kind = frame.WhichOneof("kind")
                if kind == "attached":
                    report = frame_pb2.Report(readiness=frame_pb2.READINESS_READY)
                    outgoing.put_nowait(frame_pb2.Frame(report=report))
                    pings = asyncio.ensure_future(
                        heartbeat(outgoing, frame.attached.heartbeat.ToSeconds() or 2)
                    )
                elif kind == "delivery":
                    calls += 2  # ids of plugins are odd and ascend
                    fences[calls] = frame.delivery.fence
                    outgoing.put_nowait(frame_pb2.Frame(call_open=reply(calls, frame.delivery)))
                elif kind == "call_end" and frame.call_end.call_id in fences:
                    settle = frame_pb2.Settle(fence=fences.pop(frame.call_end.call_id), done=frame_pb2.Done())
                    if frame.call_end.HasField("error"):
                        settle.nack.error.CopyFrom(frame.call_end.error)
                    outgoing.put_nowait(frame_pb2.Frame(settle=settle))
                elif kind == "goaway":
                    if pings is not None:
                        pings.cancel()
                    stream.cancel()
                    return
                elif kind is None:
                    fault = frame_pb2.Fault()
                    fault.error.reason = "UNSUPPORTED_FRAME"
                    outgoing.put_nowait(frame_pb2.Frame(fault=fault))


def reply(call_id: int, delivery: frame_pb2.Delivery) -> frame_pb2.CallOpen:
    """Answers a received message with its own content, under a key that is the same for every attempt."""
    event = delivery.event
    request = adapter_message_pb2.ReplyMessageRequest(message=event.message_received.message)
    request.reference.message_id = event.message_received.message_id
    request.reference.reply_context = event.reply_context
    target = frame_pb2.CallTarget(bot=event.bot)
    body = request.SerializeToString()
    return frame_pb2.CallOpen(
        call_id=call_id,
        method=REPLY,
        target=target,
        body=body,
        half_closed=True,
        fence=delivery.fence,
        key="reply",
    )


async def batches(outgoing: asyncio.Queue[frame_pb2.Frame]) -> AsyncIterator[frame_pb2.FrameBatch]:
    """Whatever queued while the previous batch was being written goes into the next one."""
    while True:
        frames = [await outgoing.get()]
        while not outgoing.empty() and len(frames) < 512:
            frames.append(outgoing.get_nowait())
        yield frame_pb2.FrameBatch(frames=frames)


async def heartbeat(outgoing: asyncio.Queue[frame_pb2.Frame], seconds: float) -> None:
    """Three missed pings end the process."""
    while True:
        await asyncio.sleep(seconds)
        outgoing.put_nowait(frame_pb2.Frame(ping=frame_pb2.Ping()))


if __name__ == "__main__":
    with open(os.environ["JACKFIELD_BOOTSTRAP"], encoding="utf-8") as file:
        asyncio.run(run(json.load(file)))
