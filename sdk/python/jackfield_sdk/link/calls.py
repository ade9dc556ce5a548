"""Calls that this plugin makes: unary ones survive a reconnect, streams are cut by it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace

from jackfield.v1 import frame_pb2

from jackfield_sdk import wellknown
from jackfield_sdk.errors import (
    Cancelled,
    DeadlineExceeded,
    JackfieldError,
    Unavailable,
    error_to_plain,
    error_to_proto,
)
from jackfield_sdk.link.call_streams import CallStream
from jackfield_sdk.link.deliveries import Lease
from jackfield_sdk.link.windows import Window
from jackfield_sdk.tracing import current

DEFAULT_TIMEOUT = 60.0
# The kernel ends a call at its deadline; this is how long we wait for that before we do so ourselves.
GRACE = 2.0
DEFAULT_WINDOW = 256
Send = Callable[[frame_pb2.Frame], None]


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One call to open."""

    method: str
    target: frame_pb2.CallTarget
    body: bytes
    lease: Lease | None = None
    key: str = ""
    timeout: float | None = None
    on_unknown: int = 0
    trace: str = ""

    def frame(self, call_id: int, half_closed: bool, server_streaming: bool) -> frame_pb2.Frame:
        """Its first frame, under the fence in force now."""
        opened = frame_pb2.CallOpen(
            call_id=call_id,
            method=self.method,
            target=self.target,
            body=self.body,
            half_closed=half_closed,
            fence=self.lease.fence if self.lease is not None else 0,
            key=self.key,
            on_unknown=frame_pb2.OnUnknown.ValueType(self.on_unknown),
            trace=self.trace,
            server_streaming=server_streaming,
        )
        if self.timeout is not None:
            opened.timeout.CopyFrom(wellknown.seconds_to_proto(self.timeout))
        return frame_pb2.Frame(call_open=opened)


class _Unary:
    """One unary call in flight; its id changes with the stream."""

    __slots__ = ("call", "call_id", "ended")

    def __init__(self, call: Outgoing, ended: asyncio.Future[frame_pb2.CallEnd]) -> None:
        self.call = call
        self.ended = ended
        self.call_id = 0


class Calls:
    """The calls in flight, by their ids on the present stream."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._window = Window(DEFAULT_WINDOW)
        self._next = 1
        self._unary: dict[int, _Unary] = {}
        self._streams: dict[int, CallStream] = {}
        self._connected = False

    def __len__(self) -> int:
        """How many have not ended."""
        return len(self._unary) + len(self._streams)

    async def unary(self, call: Outgoing) -> frame_pb2.CallEnd:
        """Makes one call and returns its end. Raises the JackfieldError that ended it."""
        work = current()
        if work is None or call.target.plugin == "kernel":
            return await self._unary_call(call)
        if work.tracer is None:
            # Under a delivery the kernel continues the event's trace by itself.
            return await self._unary_call(call if call.lease is not None else replace(call, trace=work.trace))
        attributes = {"rpc.system": "jackfield", "jackfield.target": call.target.bot or call.target.plugin}
        with work.tracer.span(f"call {call.method}", work.trace, "client", attributes) as span:
            return await self._unary_call(replace(call, trace=span.trace))

    async def _unary_call(self, call: Outgoing) -> frame_pb2.CallEnd:
        if call.lease is not None:
            call.lease.check()
        await self._window.enter()
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[frame_pb2.CallEnd] = loop.create_future()
        pending = _Unary(call, ended)
        try:
            self._open(pending)
        except JackfieldError:
            self._window.leave()
            raise
        seconds = (DEFAULT_TIMEOUT if call.timeout is None else call.timeout) + GRACE
        timer = loop.call_later(seconds, _expire, ended, call.method)
        try:
            end = await ended
        except asyncio.CancelledError:
            # A delivery that was taken back never cancels an effect; only the author's own cancel does.
            if call.lease is None or call.lease.error is None:
                error = error_to_proto(Cancelled("the caller was cancelled"))
                cancel = frame_pb2.Cancel(call_id=pending.call_id, error=error)
                self._send(frame_pb2.Frame(cancel=cancel))
            raise
        finally:
            timer.cancel()
            self._unary.pop(pending.call_id, None)
            self._window.leave()
        if end.HasField("error"):
            raise error_to_plain(end.error)
        return end

    async def stream(self, call: Outgoing, *, half_closed: bool, server_streaming: bool) -> CallStream:
        """Opens a streaming call."""
        work = current()
        if work is not None and not call.trace:
            call = replace(call, trace=work.trace)
        if call.lease is not None:
            call.lease.check()
        if not self._connected:
            raise Unavailable("the kernel is not connected")
        await self._window.enter()
        call_id = self._take_id()
        stream = CallStream(call_id, self._send, server_streaming, self._forget)
        self._streams[call_id] = stream
        try:
            self._send(call.frame(call_id, half_closed, server_streaming))
        except JackfieldError:
            self._forget(call_id)
            raise
        return stream

    def attached(self, attached: frame_pb2.Attached) -> None:
        """Opens unary calls again: under their keys they return what was recorded."""
        self.credit(attached.credit)
        self._connected = True
        waiting, self._unary = self._unary, {}
        self._next = 1
        for pending in waiting.values():
            if pending.ended.done():
                pending.call_id = 0
                continue
            lease = pending.call.lease
            if lease is not None and lease.error is not None:
                pending.call_id = 0
                pending.ended.set_exception(lease.error)
            else:
                self._open(pending)

    def lost(self) -> None:
        """The stream broke. A call without a key might act twice, so it fails; streams are cut."""
        self._connected = False
        error = Unavailable("the connection to the kernel was lost during the call")
        for pending in self._unary.values():
            call = pending.call
            if not call.key and call.target.plugin != "kernel" and not pending.ended.done():
                pending.ended.set_exception(error)
        for stream in list(self._streams.values()):
            stream.fail(error)

    def credit(self, credit: frame_pb2.Credit) -> None:
        """A new window, or more messages for one call."""
        if credit.call_id:
            stream = self._streams.get(credit.call_id)
            if stream is not None:
                stream.granted(credit.call_messages)
        elif credit.HasField("calls"):
            self._window.resize(credit.calls)

    def message(self, message: frame_pb2.CallMessage) -> None:
        """A message of a call's response stream."""
        stream = self._streams.get(message.call_id)
        if stream is not None:
            stream.received(message.body)

    def ended(self, end: frame_pb2.CallEnd) -> None:
        """The end of a call."""
        pending = self._unary.get(end.call_id)
        if pending is not None:
            if not pending.ended.done():
                pending.ended.set_result(end)
            return
        stream = self._streams.get(end.call_id)
        if stream is not None:
            stream.ended(end)

    def _open(self, pending: _Unary) -> None:
        # The old id first goes out of use: a refused frame must leave nothing behind.
        pending.call_id = self._take_id()
        self._send(pending.call.frame(pending.call_id, half_closed=True, server_streaming=False))
        self._unary[pending.call_id] = pending

    def _take_id(self) -> int:
        call_id = self._next
        self._next += 2
        return call_id

    def _forget(self, call_id: int) -> None:
        if self._streams.pop(call_id, None) is not None:
            self._window.leave()


def _expire(ended: asyncio.Future[frame_pb2.CallEnd], method: str) -> None:
    if not ended.done():
        ended.set_exception(DeadlineExceeded(f"{method} was not answered in time"))
