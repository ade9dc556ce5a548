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
OPTIONS = [
    ("grpc.default_authority", "localhost"),
    ("grpc.enable_http_proxy", 0),
    ("grpc.initial_reconnect_backoff_ms", 200),
]
FINAL = (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.FAILED_PRECONDITION, grpc.StatusCode.NOT_FOUND)
LONGEST_ABSENCE = 120.0


async def run(bootstrap: dict[str, Any]) -> None:
    """Serves until the kernel says goaway, over as many connections as it takes."""
    secret, clock = bootstrap["secret"], asyncio.get_running_loop().time
    last_seen = clock()
    async with grpc.aio.insecure_channel(bootstrap["address"], OPTIONS) as channel:
        while secret and clock() - last_seen < LONGEST_ABSENCE:
            try:
                secret = await session(kernel_pb2_grpc.KernelStub(channel), bootstrap["plugin"], secret)
                last_seen = clock()
            except grpc.aio.AioRpcError as error:
                if error.code() in FINAL:
                    raise
                await asyncio.sleep(0.2)


async def session(kernel: Any, plugin: str, secret: str) -> str:
    """Serves one stream; returns the resume token to come back with, nothing after goaway.

    What was running when the stream broke is not listed in `attach`: the kernel offers it again.
    """
    request = kernel_pb2.RegisterRequest(plugin=plugin, secret=secret, contract_versions=[1])
    registered = await kernel.Register(request)
    outgoing: asyncio.Queue[frame_pb2.Frame] = asyncio.Queue()
    outgoing.put_nowait(frame_pb2.Frame(attach=frame_pb2.Attach(session_id=registered.session_id)))
    stream = kernel.Attach(batches(outgoing))
    pings = asyncio.ensure_future(heartbeat(outgoing))
    fences: dict[int, int] = {}  # the delivery behind each call of ours
    calls = -1
    try:
        async for batch in stream:
            for frame in batch.frames:
                kind = frame.WhichOneof("kind")
                if kind == "attached":
                    secret = frame.attached.resume_token
                    report = frame_pb2.Report(readiness=frame_pb2.READINESS_READY)
                    outgoing.put_nowait(frame_pb2.Frame(report=report))
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
                    return ""
                elif kind is None:
                    fault = frame_pb2.Fault()
                    fault.error.reason = "UNSUPPORTED_FRAME"
                    outgoing.put_nowait(frame_pb2.Frame(fault=fault))
    except grpc.aio.AioRpcError:
        pass  # The stream broke: whoever called comes back with the token.
    finally:
        pings.cancel()
        stream.cancel()
    return secret


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


async def heartbeat(outgoing: asyncio.Queue[frame_pb2.Frame]) -> None:
    """Three missed pings, 2 s apart, end the process."""
    while True:
        await asyncio.sleep(2)
        outgoing.put_nowait(frame_pb2.Frame(ping=frame_pb2.Ping()))


if __name__ == "__main__":
    with open(os.environ["JACKFIELD_BOOTSTRAP"], encoding="utf-8") as file:
        asyncio.run(run(json.load(file)))
