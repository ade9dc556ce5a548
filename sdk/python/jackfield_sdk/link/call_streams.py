"""One streaming call that this plugin makes."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from jackfield.v1 import frame_pb2

from jackfield_sdk.errors import Cancelled, JackfieldError, error_to_plain, error_to_proto
from jackfield_sdk.link.windows import Window

# Messages that either side may send before it is granted more.
FIRST_CREDIT = 32
GRANT_STEP = 16


class CallStream:
    """Messages both ways. Every method raises the JackfieldError that ended the call."""

    def __init__(
        self,
        call_id: int,
        send: Callable[[frame_pb2.Frame], None],
        server_streaming: bool,
        forget: Callable[[int], None],
    ) -> None:
        self.call_id = call_id
        self._send = send
        self._server_streaming = server_streaming
        self._forget = forget
        self._credit = Window(FIRST_CREDIT)
        self._messages: deque[bytes] = deque()
        self._arrived = asyncio.Event()
        self._unread = 0
        self._received = False
        self._end: frame_pb2.CallEnd | None = None
        self._error: JackfieldError | None = None

    async def send(self, body: bytes) -> None:
        """Sends one request message, waiting while the provider has no room."""
        self._check()
        await self._credit.enter()
        self._check()
        message = frame_pb2.CallMessage(call_id=self.call_id, body=body)
        self._send(frame_pb2.Frame(call_message=message))

    def half_close(self) -> None:
        """No further request message follows."""
        if self._end is None and self._error is None:
            self._send(frame_pb2.Frame(call_half_close=frame_pb2.CallHalfClose(call_id=self.call_id)))

    async def read(self) -> bytes | None:
        """The next response message; None at the end."""
        while not self._messages:
            self._check()
            if self._end is not None:
                return None
            self._arrived.clear()
            await self._arrived.wait()
        self._unread += 1
        if self._unread >= GRANT_STEP and self._end is None and self._error is None:
            credit = frame_pb2.Credit(call_id=self.call_id, call_messages=self._unread)
            self._send(frame_pb2.Frame(credit=credit))
            self._unread = 0
        return self._messages.popleft()

    async def result(self) -> bytes:
        """The response of a call with one response message."""
        while self._end is None:
            self._check()
            self._arrived.clear()
            await self._arrived.wait()
        self._check()
        return self._end.body

    def cancel(self, reason: str = "the caller was cancelled") -> None:
        """Tells the provider to stop. Nothing when the call has ended."""
        if self._end is None and self._error is None:
            error = Cancelled(reason)
            cancel = frame_pb2.Cancel(call_id=self.call_id, error=error_to_proto(error))
            self._send(frame_pb2.Frame(cancel=cancel))
            self.fail(error)

    def leave(self, error: JackfieldError) -> None:
        """Reads no further, and lets the provider go on. Nothing when the call has ended."""
        if self._end is None and self._error is None:
            self.fail(error)

    @property
    def is_open(self) -> bool:
        """False after the end, in success or failure."""
        return self._end is None and self._error is None

    def granted(self, messages: int) -> None:
        """The provider takes more."""
        self._credit.add(messages)

    def received(self, body: bytes) -> None:
        """A response message came."""
        self._received = True
        self._messages.append(body)
        self._arrived.set()

    def ended(self, end: frame_pb2.CallEnd) -> None:
        """The provider ended the call."""
        self._end = end
        if end.HasField("error"):
            self._error = error_to_plain(end.error)
        elif end.body and self._server_streaming and not self._received:
            # Recorded, or ended while nobody was connected: the last message stands for the stream.
            self._messages.append(end.body)
        self._close()

    def fail(self, error: JackfieldError) -> None:
        """The call ended without its provider's word."""
        self._error = error
        self._close()

    def _close(self) -> None:
        self._arrived.set()
        self._credit.add(1 << 30)
        self._forget(self.call_id)

    def _check(self) -> None:
        if self._error is not None:
            raise self._error
