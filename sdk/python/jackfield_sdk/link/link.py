"""One plugin's connection to its kernel: register, attach, exchange frames, find it again."""

from __future__ import annotations

import asyncio
import logging
import os
import random
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import grpc
import grpc.aio
from jackfield.v1 import error_pb2, frame_pb2, kernel_pb2, kernel_pb2_grpc

from jackfield_sdk.errors import JackfieldError, Unauthenticated, error_to_plain
from jackfield_sdk.link.bootstrap import CONTRACT_VERSIONS, Bootstrap
from jackfield_sdk.link.bulk import get_blob, put_blob
from jackfield_sdk.link.calls import Calls
from jackfield_sdk.link.channel import open_channel
from jackfield_sdk.link.deliveries import Deliveries, Lease
from jackfield_sdk.link.heartbeat import Evidence, beat
from jackfield_sdk.link.methods import Method
from jackfield_sdk.link.outbox import Outbox
from jackfield_sdk.link.pacing import Pace
from jackfield_sdk.link.publishes import Publishes
from jackfield_sdk.link.serving import Serving

SDK = "python/0.1.0"
REGISTER_TIMEOUT = 2.0
CLOSE_SECONDS = 2.0
ATTACH_TIMEOUT = 10.0
LONGEST_PAUSE = 1.0
logger = logging.getLogger("jackfield_sdk.link")


class Orphaned(Exception):
    """The kernel did not come back within the bound."""


class Stopped(Exception):
    """The kernel ended this session for good, for example because a newer one replaced it."""


class Receiver(Protocol):
    """What the runtime does with what the kernel says."""

    async def handle(self, lease: Lease) -> frame_pb2.Settle:
        """Runs a handler; never raises but CancelledError."""

    def observe(self, delivery: frame_pb2.Delivery) -> None:
        """Queues an event for the observers."""

    def attached(self, attached: frame_pb2.Attached, open_bots: set[str]) -> None:
        """The stream stands, for the first time or again."""

    def configured(self, config: frame_pb2.Config) -> None:
        """Configuration or grants changed."""

    def going(self, goaway: frame_pb2.Goaway) -> None:
        """The kernel asks this plugin to finish."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What a plugin says about itself at Register and Attach."""

    version: str = ""
    concurrency: int = 0
    orphan_timeout: float = 120.0


class Link:
    """Owns the channel and everything that survives a lost stream."""

    def __init__(
        self, bootstrap: Bootstrap, identity: Identity, methods: dict[str, Method], receiver: Receiver
    ) -> None:
        self.bootstrap = bootstrap
        self.open_bots: set[str] = set()
        self.publishes = Publishes(self.send)
        self.calls = Calls(self.send)
        self.serving = Serving(self.send, methods)
        self.deliveries = Deliveries(self.send, receiver.handle, receiver.observe)
        self.session_id = ""
        self.journal = ""
        self.boot = 0
        self.last_heard = 0.0
        self.evidence: Evidence | None = None
        self._identity = identity
        self._receiver = receiver
        self._secret = bootstrap.secret
        self._outbox: Outbox | None = None
        self._closing = False
        self._ended = asyncio.Event()
        self._random = random.Random()
        self._kinds = self._switch()
        self._stub: Any = None

    def send(self, frame: frame_pb2.Frame) -> None:
        """Queues a frame. Without a stream it is dropped: its owner sends it again after the next attach."""
        if self._outbox is not None:
            self._outbox.put(frame)

    @property
    def under_way(self) -> int:
        """Deliveries, calls and publishes that are not finished."""
        return len(self.deliveries) + len(self.serving) + len(self.calls) + len(self.publishes)

    @property
    def connected(self) -> bool:
        """True while a stream stands."""
        return self._outbox is not None

    @property
    def silence(self) -> float:
        """Seconds since the last word of the kernel; 0 while the stream stands."""
        return 0.0 if self.connected else asyncio.get_running_loop().time() - self.last_heard

    async def run(self) -> None:
        """Stays connected until `close`. Raises Orphaned, Stopped, or the refusal of Register."""
        loop = asyncio.get_running_loop()
        self.last_heard = loop.time()
        failures = 0
        async with open_channel(self.bootstrap) as channel:
            stub: Any = kernel_pb2_grpc.KernelStub(channel)
            self._stub = stub
            while not self._closing:
                heard = self.last_heard
                try:
                    await self._session(stub)
                except grpc.aio.AioRpcError as error:
                    self._judge(error)
                failures = 0 if self.last_heard > heard else failures + 1
                if not self._closing and loop.time() - self.last_heard > self._identity.orphan_timeout:
                    raise Orphaned(f"no kernel for {self._identity.orphan_timeout:.0f} s")
                if failures and not self._closing:
                    # The first try comes at once; later ones spread, so that a hundred plugins do not come
                    # together.
                    await asyncio.sleep(self._random.uniform(0, min(LONGEST_PAUSE, 0.05 * 2**failures)))

    async def put_blob(self, data: bytes | AsyncIterator[bytes], mime: str) -> tuple[str, int]:
        """Stores a blob; returns its id and size."""
        return await put_blob(self._stub, self.session_id, data, mime)

    def get_blob(self, blob_id: str) -> AsyncIterator[bytes]:
        """Reads a blob in chunks."""
        return get_blob(self._stub, self.session_id, blob_id)

    async def close(self) -> None:
        """Sends what is queued and ends the stream."""
        self._closing = True
        if self._outbox is not None:
            await self._outbox.flushed()
            self._outbox.close()
            try:
                # Cancelling at once could overtake what was written last: the kernel ends the stream when it read that.
                async with asyncio.timeout(CLOSE_SECONDS):
                    await self._ended.wait()
            except TimeoutError:
                logger.info("the kernel did not end the stream within %.0f s", CLOSE_SECONDS)
        self.publishes.close()

    async def _session(self, stub: Any) -> None:
        request = kernel_pb2.RegisterRequest(
            plugin=self.bootstrap.plugin,
            version=self._identity.version,
            secret=self._secret,
            contract_versions=CONTRACT_VERSIONS,
            manifest_digest=self.bootstrap.manifest_digest,
            sdk=SDK,
            pid=os.getpid(),
        )
        registered = await stub.Register(request, timeout=REGISTER_TIMEOUT, wait_for_ready=True)
        self.session_id = registered.session_id
        stream = stub.Attach()
        try:
            await stream.write(frame_pb2.FrameBatch(frames=[self._attach()]))
            async with asyncio.timeout(ATTACH_TIMEOUT):
                first = await stream.read()
            if first is grpc.aio.EOF:
                return
            await self._exchange(stream, first)
        except asyncio.InvalidStateError:
            logger.info("the stream to the kernel ended before it began")
        except TimeoutError:
            logger.warning("the kernel did not answer Attach within %.0f s", ATTACH_TIMEOUT)
        finally:
            stream.cancel()
            if stream.done():
                self._note_end(await stream.code(), await stream.trailing_metadata())

    def _attach(self) -> frame_pb2.Frame:
        attach = frame_pb2.Attach(
            session_id=self.session_id,
            running=self.deliveries.running(),
            acknowledged_sequence=self.publishes.acknowledged,
            open_bots=sorted(self.open_bots),
        )
        if self._identity.concurrency:
            attach.credit.deliveries = self._identity.concurrency
        return frame_pb2.Frame(attach=attach)

    async def _exchange(self, stream: Any, first: frame_pb2.FrameBatch) -> None:
        outbox = Outbox()
        self._ended.clear()
        attached = first.frames[0].attached
        self._outbox = outbox
        self._take(attached)
        self._dispatch(first.frames[1:])
        try:
            async with asyncio.TaskGroup() as group:
                writer = group.create_task(self._write(stream, outbox))
                beating = beat(attached.heartbeat, self.send, self.deliveries.fences, lambda: self.evidence)
                pinger = group.create_task(beating)
                try:
                    await self._read(stream)
                finally:
                    writer.cancel()
                    pinger.cancel()
        except* grpc.aio.AioRpcError as errors:
            # All of them say that the stream is gone.
            logger.info("the stream to the kernel ended: %s", _first(errors).code())
        finally:
            self._outbox = None
            self._ended.set()
            outbox.close()
            self.calls.lost()
            self.serving.lost()

    def _take(self, attached: frame_pb2.Attached) -> None:
        """Order matters: new fences first, then what is sent under them."""
        self._secret = attached.resume_token or self._secret
        self.journal, self.boot = attached.journal, attached.boot
        self.last_heard = asyncio.get_running_loop().time()
        self.deliveries.attached(attached)
        self.calls.attached(attached)
        self.publishes.attached(attached)
        self._receiver.attached(attached, self.open_bots)

    async def _read(self, stream: Any) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            batch = await stream.read()
            if batch is grpc.aio.EOF:
                return
            self.last_heard = clock()
            self._dispatch(batch.frames)

    async def _write(self, stream: Any, outbox: Outbox) -> None:
        try:
            pace = Pace()
            while await outbox.filled():
                await pace.turn(self.under_way)
                if (batch := outbox.take()) is not None:
                    await stream.write(batch)
            await stream.done_writing()
        except asyncio.InvalidStateError:
            # grpc's word for "the stream ended before this write"; the reader says how.
            return

    def _dispatch(self, frames: Any) -> None:
        kinds = self._kinds
        for frame in frames:
            kind = frame.WhichOneof("kind")
            action = kinds.get(kind)
            if action is not None:
                action(getattr(frame, kind))
            else:
                error = error_pb2.Error(
                    reason="UNSUPPORTED_FRAME", code=12, message="this plugin does not know the frame"
                )
                self.send(frame_pb2.Frame(fault=frame_pb2.Fault(error=error, kind=kind or "")))

    def _switch(self) -> Mapping[str | None, Callable[[Any], None]]:
        return {
            "ack": self.publishes.ack,
            "delivery": self.deliveries.deliver,
            "settled": self.deliveries.settled,
            "call_open": self.serving.opened,
            "call_message": self._call_message,
            "call_half_close": self.serving.half_closed,
            "call_end": self.calls.ended,
            "cancel": self._cancel,
            "input": self.deliveries.input,
            "credit": self._credit,
            "config": self._receiver.configured,
            "ping": self._ping,
            "goaway": self._receiver.going,
            "fault": self._fault,
            "recorded": self.serving.recorded,
        }

    def _call_message(self, message: frame_pb2.CallMessage) -> None:
        # Odd ids are calls of this plugin.
        (self.calls if message.call_id % 2 else self.serving).message(message)

    def _cancel(self, cancel: frame_pb2.Cancel) -> None:
        if cancel.WhichOneof("what") == "fence":
            self.deliveries.cancel(cancel)
        else:
            self.serving.cancel(cancel)

    def _credit(self, credit: frame_pb2.Credit) -> None:
        if credit.call_id and credit.call_id % 2 == 0:
            self.serving.credit(credit)
            return
        self.calls.credit(credit)
        self.publishes.credit(credit)

    def _ping(self, ping: frame_pb2.Ping) -> None:
        if not ping.reply:
            self.send(frame_pb2.Frame(ping=frame_pb2.Ping(number=ping.number, reply=True)))

    def _fault(self, fault: frame_pb2.Fault) -> None:
        logger.warning("the kernel refused a frame %s: %s", fault.kind, error_to_plain(fault.error))

    def _judge(self, error: grpc.aio.AioRpcError) -> None:
        """Some refusals are final; everything else may pass."""
        self._note_end(error.code(), error.trailing_metadata())
        if error.code() == grpc.StatusCode.UNAUTHENTICATED:
            raise Unauthenticated(error.details() or "the kernel does not know this plugin") from error

    def _note_end(self, code: grpc.StatusCode, metadata: Any) -> None:
        detail = error_from(metadata)
        if detail is None:
            return
        if detail.reason == "SESSION_REPLACED":
            raise Stopped(detail.message)
        if detail.reason in ("UNAUTHENTICATED", "CONTRACT_MISMATCH", "MANIFEST_MISMATCH"):
            raise detail


def error_from(metadata: Any) -> JackfieldError | None:
    """The typed error of a unary method, from the trailer `jackfield-error-bin`."""
    for key, value in metadata or ():
        if key == "jackfield-error-bin":
            return error_to_plain(error_pb2.Error.FromString(value))
    return None


def _first(errors: BaseExceptionGroup[grpc.aio.AioRpcError]) -> grpc.aio.AioRpcError:
    found = errors.exceptions[0]
    return found if isinstance(found, grpc.aio.AioRpcError) else _first(found)
