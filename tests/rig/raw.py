"""A plugin on raw generated stubs, driven step by step by a test. No SDK: this is the wire itself."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from types import TracebackType
from typing import Any

import grpc
from jackfield.v1 import adapter_bot_pb2, error_pb2, event_pb2, frame_pb2, kernel_pb2, kernel_pb2_grpc

OPTIONS = (("grpc.default_authority", "localhost"), ("grpc.use_local_subchannel_pool", 1))
PATIENCE = 10.0


def message_event(
    bot: str, text: str, *, chat: str = "c1", sender: str = "u1", event_id: str = ""
) -> event_pb2.Event:
    """A private text message."""
    event = event_pb2.Event(id=event_id or uuid.uuid4().hex, type="message.received", bot=bot)
    event.time.GetCurrentTime()
    event.chat.type, event.chat.id = 1, chat
    event.sender.id = sender
    event.message_received.message_id = event.id
    event.message_received.message.segments.add().text.text = text
    return event


class RawPlugin:
    """One session. Frames by kind wait in `inbox`; calls to the plugin are answered by `serve`."""

    def __init__(self, bootstrap: dict[str, Any], *, secret: str | None = None) -> None:
        self.bootstrap = bootstrap
        self.name: str = bootstrap["plugin"]
        self.secret: str = secret or bootstrap["secret"]
        self.resume_token = ""
        self.session_id = ""
        self.attached = frame_pb2.Attached()
        self.inbox: dict[str, asyncio.Queue[frame_pb2.Frame]] = {}
        self.sequence = 0
        self.acked = 0
        self.acked_changed = asyncio.Condition()
        self.refused: dict[int, error_pb2.Error] = {}
        self.served: list[frame_pb2.CallOpen] = []
        self.answers: dict[str, bytes | error_pb2.Error] = {}
        self.auto_serve = True
        self.call_ids = itertools.count(1, 2)
        self._writing = asyncio.Lock()
        self._channel: grpc.aio.Channel | None = None
        self._stream: Any = None
        self._reader: asyncio.Task[None] | None = None
        self._heart: asyncio.Task[None] | None = None

    @property
    def channel(self) -> grpc.aio.Channel:
        """The connection, for methods that are not frames."""
        assert self._channel is not None
        return self._channel

    @classmethod
    def from_file(cls, path: str) -> RawPlugin:
        """Read the bootstrap file."""
        return cls(json.loads(Path(path).read_text()))

    async def register(self, **changes: Any) -> kernel_pb2.RegisterResponse:
        """Dial and register. Raises grpc.aio.AioRpcError."""
        if self._channel is None:
            self._channel = grpc.aio.insecure_channel(self.bootstrap["address"], options=OPTIONS)
        request = kernel_pb2.RegisterRequest(
            plugin=self.name, version="0", secret=self.resume_token or self.secret, contract_versions=[1]
        )
        for key, value in changes.items():
            field = getattr(request, key)
            if isinstance(value, list):
                del field[:]
                field.extend(value)
            else:
                setattr(request, key, value)
        return await kernel_pb2_grpc.KernelStub(self._channel).Register(request, timeout=PATIENCE)

    async def connect(self, *, attach: frame_pb2.Attach | None = None, ready: bool = True) -> RawPlugin:
        """Register, attach, and say that the plugin is ready."""
        registered = await self.register()
        self.session_id = registered.session_id
        assert self._channel is not None
        call = self._channel.stream_stream("/jackfield.v1.Kernel/Attach")
        self._stream = call()
        first = attach or frame_pb2.Attach()
        first.session_id = registered.session_id
        await self.send(frame_pb2.Frame(attach=first))
        batch = frame_pb2.FrameBatch.FromString(await asyncio.wait_for(self._stream.read(), PATIENCE))
        self.attached = batch.frames[0].attached
        self.resume_token = self.attached.resume_token
        self.sequence = self.acked = self.attached.committed_sequence
        self._reader = asyncio.create_task(self._read())
        self._heart = asyncio.create_task(self._beat())
        for frame in batch.frames[1:]:
            await self._take(frame)
        if ready:
            await self.send(frame_pb2.Frame(report=frame_pb2.Report(readiness=frame_pb2.READINESS_READY)))
        return self

    async def send(self, *frames: frame_pb2.Frame) -> None:
        """Write one stream message."""
        await self.send_bytes(frame_pb2.FrameBatch(frames=frames).SerializeToString())

    async def send_bytes(self, data: bytes) -> None:
        """Write bytes as one stream message, whatever they are."""
        async with self._writing:
            await self._stream.write(data)

    async def _beat(self) -> None:
        with contextlib.suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
            for number in itertools.count(1):
                await asyncio.sleep(1.0)
                await self.send(frame_pb2.Frame(ping=frame_pb2.Ping(number=number)))

    async def _read(self) -> None:
        with contextlib.suppress(grpc.aio.AioRpcError, asyncio.CancelledError):
            while (data := await self._stream.read()) is not grpc.aio.EOF:
                for frame in frame_pb2.FrameBatch.FromString(data).frames:
                    await self._take(frame)
        await self._put("end", frame_pb2.Frame())

    async def _take(self, frame: frame_pb2.Frame) -> None:
        kind = frame.WhichOneof("kind") or ""
        if kind == "ack":
            async with self.acked_changed:
                self.acked = frame.ack.sequence
                self.refused.update({one.sequence: one.error for one in frame.ack.refused})
                self.acked_changed.notify_all()
        elif kind == "call_open" and self.auto_serve:
            await self.serve(frame.call_open)
        else:
            await self._put(kind, frame)

    async def _put(self, kind: str, frame: frame_pb2.Frame) -> None:
        await self.inbox.setdefault(kind, asyncio.Queue()).put(frame)

    async def serve(self, call: frame_pb2.CallOpen) -> None:
        """Answer a call with what `answers` holds for its method's name."""
        self.served.append(call)
        answer = self.answers.get(call.method.rpartition("/")[2], b"")
        end = frame_pb2.CallEnd(call_id=call.call_id)
        if isinstance(answer, error_pb2.Error):
            end.error.CopyFrom(answer)
        else:
            end.body = answer
        await self.send(frame_pb2.Frame(call_end=end))

    async def expect(self, kind: str) -> frame_pb2.Frame:
        """The next frame of a kind; fails the test when none comes."""
        return await asyncio.wait_for(self.inbox.setdefault(kind, asyncio.Queue()).get(), PATIENCE)

    async def delivery(self) -> frame_pb2.Delivery:
        """The next delivery."""
        return (await self.expect("delivery")).delivery

    async def publish(self, event: event_pb2.Event, **fields: Any) -> int:
        """Send a publish; returns its sequence."""
        self.sequence += 1
        publish = frame_pb2.Publish(sequence=self.sequence, event=event, **fields)
        await self.send(frame_pb2.Frame(publish=publish))
        return self.sequence

    async def durable(self, sequence: int | None = None) -> None:
        """Wait until a publish is acknowledged."""
        wanted = self.sequence if sequence is None else sequence
        async with asyncio.timeout(PATIENCE), self.acked_changed:
            await self.acked_changed.wait_for(lambda: self.acked >= wanted)

    async def done(self, delivery: frame_pb2.Delivery, **fields: Any) -> None:
        """Settle as handled."""
        await self.settle(frame_pb2.Settle(fence=delivery.fence, done=frame_pb2.Done(**fields)))

    async def nack(
        self, delivery: frame_pb2.Delivery, *, retryable: bool = False, after: float | None = None
    ) -> None:
        """Settle as not handled."""
        nack = frame_pb2.Nack(
            error=error_pb2.Error(reason="HANDLER_FAILED", message="test", retryable=retryable)
        )
        if after is not None:
            nack.retry_after.FromMilliseconds(int(after * 1000))
        await self.settle(frame_pb2.Settle(fence=delivery.fence, nack=nack))

    async def settle(self, settle: frame_pb2.Settle) -> None:
        """Send a settle."""
        await self.send(frame_pb2.Frame(settle=settle))

    async def call(
        self,
        method: str,
        body: bytes = b"",
        *,
        bot: str = "",
        plugin: str = "",
        fence: int = 0,
        key: str = "",
        wait: bool = True,
        **fields: Any,
    ) -> frame_pb2.CallEnd:
        """Make a unary call; with `wait` its end."""
        call_id = next(self.call_ids)
        target = frame_pb2.CallTarget(bot=bot, plugin=plugin)
        frame = frame_pb2.CallOpen(
            call_id=call_id,
            method=method,
            target=target,
            body=body,
            half_closed=True,
            fence=fence,
            key=key,
            **fields,
        )
        await self.send(frame_pb2.Frame(call_open=frame))
        if not wait:
            return frame_pb2.CallEnd(call_id=call_id)
        end = (await self.expect("call_end")).call_end
        assert end.call_id == call_id
        return end

    async def close(self) -> None:
        """Drop the stream and the connection, as a dead process does."""
        for task in (self._reader, self._heart):
            if task is not None:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
        if self._stream is not None:
            self._stream.cancel()
        if self._channel is not None:
            await self._channel.close()
        self._channel = None

    async def __aenter__(self) -> RawPlugin:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


async def ended(stream: AsyncIterator[Any]) -> None:
    """Read a stream to its end."""
    async for _ in stream:
        pass


OPENED = adapter_bot_pb2.OpenBotResponse().SerializeToString()
