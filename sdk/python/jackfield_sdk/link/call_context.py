"""What a servicer of this plugin gets as its context."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import grpc
from jackfield.v1 import error_pb2, frame_pb2

from jackfield_sdk import convert, wellknown
from jackfield_sdk.entity import Chat
from jackfield_sdk.link.call_streams import FIRST_CREDIT, GRANT_STEP
from jackfield_sdk.link.calls import DEFAULT_TIMEOUT
from jackfield_sdk.link.methods import Method
from jackfield_sdk.link.windows import Window


class Aborted(Exception):
    """Ends the servicer's method."""

    def __init__(self, error: error_pb2.Error) -> None:
        super().__init__(error.message)
        self.error = error


@dataclass(frozen=True, slots=True)
class CallContext:
    """Who calls, about which bot and chat, under which key. Stamped by the kernel."""

    bot: str
    chat: Chat | None
    caller: str
    delivery_id: str
    idempotency_key: str
    reply_context: bytes
    possibly_repeated: bool
    trace: str


class IncomingCall:
    """One call served here, with the methods that a grpc.aio servicer expects of its context."""

    def __init__(self, opened: frame_pb2.CallOpen, send: Callable[[frame_pb2.Frame], None]) -> None:
        self.call_id = opened.call_id
        self.body = opened.body
        self.caller = opened.caller
        self.trace = opened.trace
        self.task: asyncio.Task[None] | None = None
        self.end: frame_pb2.CallEnd | None = None
        # Further ids under which the same key was opened on this stream.
        self.joined: list[int] = []
        self.cut_by_loss = False
        # False between a lost stream and the caller's return: what is written meanwhile is seen by nobody.
        self.connected = True
        self.last = b""
        self.serialize: Callable[[Any], bytes] | None = None
        self.room = Window(FIRST_CREDIT)
        self._opened = opened
        self._send = send
        self._timeout = (
            wellknown.duration_to_plain(opened.timeout).total_seconds()
            if opened.HasField("timeout")
            else DEFAULT_TIMEOUT
        )
        self._began = time.monotonic()
        self._messages: deque[bytes] = deque()
        self._complete = opened.half_closed
        self._arrived: asyncio.Event | None = None
        self._callbacks: list[Callable[[Any], None]] = []
        self._code: grpc.StatusCode | None = None
        self._details = ""

    @property
    def jackfield(self) -> CallContext:
        """Who calls and about what."""
        opened = self._opened
        target = opened.target
        return CallContext(
            bot=target.bot,
            chat=convert.to_plain(target.chat) if target.HasField("chat") else None,
            caller=opened.caller.plugin,
            delivery_id=opened.caller.delivery_id,
            idempotency_key=opened.caller.idempotency_key,
            reply_context=opened.caller.reply_context,
            possibly_repeated=opened.possibly_repeated,
            trace=opened.trace,
        )

    # What grpc.aio.ServicerContext offers.

    def invocation_metadata(self) -> Sequence[tuple[str, str]]:
        """Caller, key and trace, as metadata would carry them to a directly served servicer."""
        opened = self._opened
        pairs = [("jackfield-caller", opened.caller.plugin), ("jackfield-bot", opened.target.bot)]
        pairs += [("jackfield-key", opened.caller.idempotency_key), ("traceparent", opened.trace)]
        return [pair for pair in pairs if pair[1]]

    async def abort(
        self, code: grpc.StatusCode, details: str = "", trailing_metadata: object = ()
    ) -> NoReturn:
        """Ends the call with a status code. Raising a JackfieldError says more."""
        reason = _REASONS.get(code, "INTERNAL")
        raise Aborted(
            error_pb2.Error(
                reason=reason,
                code=code.value[0],
                message=details or code.value[1],
                retryable=code is grpc.StatusCode.UNAVAILABLE,
            )
        )

    async def write(self, response: Any) -> None:
        """Sends one response message, waiting while the caller has no room."""
        if self.serialize is None:
            raise RuntimeError("write belongs to a running call")
        self.last = self.serialize(response)
        if self.connected:
            await self.room.enter()
        if self.connected:
            message = frame_pb2.CallMessage(call_id=self.call_id, body=self.last)
            self._send(frame_pb2.Frame(call_message=message))

    def lost(self) -> None:
        """The stream broke under a call that goes on."""
        self.connected = False
        self.room.add(FIRST_CREDIT)

    def resumed(self, call_id: int) -> None:
        """The call was opened again on a new stream."""
        self.call_id, self.connected = call_id, True

    def time_remaining(self) -> float:
        """Seconds until the caller stops waiting, never negative."""
        return max(0.0, self._timeout - (time.monotonic() - self._began))

    def cancelled(self) -> bool:
        """True after a cancel."""
        return self.task is not None and self.task.cancelling() > 0

    def done(self) -> bool:
        """True after the end."""
        return self.end is not None

    def add_done_callback(self, callback: Callable[[Any], None]) -> None:
        """Called once with this context at the end."""
        self._callbacks.append(callback)

    def peer(self) -> str:
        """The calling plugin."""
        return f"plugin:{self._opened.caller.plugin}"

    def set_code(self, code: grpc.StatusCode) -> None:
        """Kept for whoever reads it back; raise or abort to fail a call."""
        self._code = code

    def set_details(self, details: str) -> None:
        """As `set_code`."""
        self._details = details

    def code(self) -> grpc.StatusCode | None:
        """What `set_code` set."""
        return self._code

    def details(self) -> str:
        """What `set_details` set."""
        return self._details

    async def send_initial_metadata(self, metadata: object) -> None:
        """There is none on the control stream."""

    def set_trailing_metadata(self, metadata: object) -> None:
        """There is none on the control stream."""

    # What the dispatcher calls.

    async def requests(self, method: Method) -> AsyncIterator[Any]:
        """The request messages of a streaming call, beginning with the one that opened it."""
        yield method.deserialize(self.body)
        unread = 0
        while True:
            while not self._messages:
                if self._complete:
                    return
                self._arrived = asyncio.Event()
                await self._arrived.wait()
            unread += 1
            if unread >= GRANT_STEP:
                credit = frame_pb2.Credit(call_id=self.call_id, call_messages=unread)
                self._send(frame_pb2.Frame(credit=credit))
                unread = 0
            yield method.deserialize(self._messages.popleft())

    def received(self, body: bytes) -> None:
        """A further request message."""
        self._messages.append(body)
        if self._arrived is not None:
            self._arrived.set()

    def half_closed(self) -> None:
        """No further request messages."""
        self._complete = True
        if self._arrived is not None:
            self._arrived.set()

    def finish(self) -> None:
        """Runs the callbacks."""
        for callback in self._callbacks:
            callback(self)


_REASONS = {
    grpc.StatusCode.INVALID_ARGUMENT: "INVALID_ARGUMENT",
    grpc.StatusCode.NOT_FOUND: "NOT_FOUND",
    grpc.StatusCode.PERMISSION_DENIED: "PERMISSION_DENIED",
    grpc.StatusCode.UNIMPLEMENTED: "NOT_SUPPORTED",
    grpc.StatusCode.UNAVAILABLE: "UNAVAILABLE",
    grpc.StatusCode.DEADLINE_EXCEEDED: "DEADLINE_EXCEEDED",
    grpc.StatusCode.CANCELLED: "CANCELLED",
    grpc.StatusCode.UNAUTHENTICATED: "AUTH_EXPIRED",
    grpc.StatusCode.RESOURCE_EXHAUSTED: "OVERLOADED",
    grpc.StatusCode.FAILED_PRECONDITION: "PLATFORM_ERROR",
}


def jackfield_context(context: Any) -> CallContext:
    """Who calls and about which bot and chat, from the context of a servicer registered with
    `plugin.service`."""
    if not isinstance(context, IncomingCall):
        raise TypeError("this servicer was not called through the kernel")
    return context.jackfield
