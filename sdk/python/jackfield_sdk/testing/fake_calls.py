"""Calls as the fake kernel sees them: those it hands to a plugin, and those a plugin makes."""

from __future__ import annotations

import asyncio
import inspect
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from jackfield.v1 import frame_pb2

from jackfield_sdk.errors import JackfieldError, error_to_plain, error_to_proto
from jackfield_sdk.link.call_streams import FIRST_CREDIT, GRANT_STEP
from jackfield_sdk.link.windows import Window
from jackfield_sdk.testing.records import Delivered

if TYPE_CHECKING:
    from jackfield_sdk.testing.session import Session


class KernelCall:
    """A call that a plugin serves; every read raises the JackfieldError that ended it."""

    def __init__(self, call_id: int, send: Callable[[frame_pb2.Frame], None]) -> None:
        self.call_id = call_id
        self.end: asyncio.Future[frame_pb2.CallEnd] = asyncio.get_running_loop().create_future()
        self._send = send
        self._messages: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._credit = Window(FIRST_CREDIT)
        self._read = 0

    async def send(self, body: bytes) -> None:
        """A further request message."""
        await self._credit.enter()
        message = frame_pb2.CallMessage(call_id=self.call_id, body=body)
        self._send(frame_pb2.Frame(call_message=message))

    def half_close(self) -> None:
        """No further request message."""
        self._send(frame_pb2.Frame(call_half_close=frame_pb2.CallHalfClose(call_id=self.call_id)))

    def cancel(self) -> None:
        """Asks the plugin to stop."""
        self._send(frame_pb2.Frame(cancel=frame_pb2.Cancel(call_id=self.call_id)))

    async def read(self) -> bytes | None:
        """The next response message, None at the end."""
        body = await self._messages.get()
        if body is None:
            await self.result()
            return None
        self._read += 1
        if self._read == GRANT_STEP:
            credit = frame_pb2.Credit(call_id=self.call_id, call_messages=self._read)
            self._send(frame_pb2.Frame(credit=credit))
            self._read = 0
        return body

    async def result(self) -> bytes:
        """The response of a call with one."""
        end = await asyncio.shield(self.end)
        if end.HasField("error"):
            raise error_to_plain(end.error)
        return end.body

    def received(self, body: bytes) -> None:
        """A response message came."""
        self._messages.put_nowait(body)

    def granted(self, messages: int) -> None:
        """The plugin takes more."""
        self._credit.add(messages)

    def ended(self, end: frame_pb2.CallEnd) -> None:
        """The plugin ended the call."""
        if not self.end.done():
            self.end.set_result(end)
        self._messages.put_nowait(None)

    def fail(self, error: JackfieldError) -> None:
        """The stream ended first."""
        self.ended(frame_pb2.CallEnd(error=error_to_proto(error)))


class PluginCall:
    """A call that a plugin makes: answered from the record, by another plugin of the test, or by the fake
    itself."""

    def __init__(self, session: Session, opened: frame_pb2.CallOpen, delivered: Delivered | None) -> None:
        self.opened = opened
        self.delivered = delivered
        self._session = session
        self._requests: deque[bytes] = deque([opened.body])
        self._complete = asyncio.Event()
        self._arrived = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._forwarded: KernelCall | None = None

    def begin(self) -> None:
        """Starts to answer. The common case, a fake answer to a unary call, needs no task."""
        opened = self.opened
        if opened.half_closed:
            self._complete.set()
        recorded = self._session.kernel.state.recorded.get(self._key()) if opened.key else None
        if recorded is not None:
            end = frame_pb2.CallEnd()
            end.CopyFrom(recorded)
            end.recorded = True
            self._session.end_call(opened.call_id, end)
            return
        if opened.half_closed and not opened.server_streaming and opened.target.plugin == "kernel":
            self._answer(lambda: self._session.kernel.serve(self._session.plugin, opened))
            return
        self._task = asyncio.ensure_future(self._run())

    def request(self, body: bytes) -> None:
        """A further request message."""
        self._requests.append(body)
        self._arrived.set()

    def half_closed(self) -> None:
        """No further request message."""
        self._complete.set()
        self._arrived.set()

    def cancel(self) -> None:
        """The caller does not want the answer any more."""
        if self._forwarded is not None:
            self._forwarded.cancel()
        self.abandon()

    def abandon(self) -> None:
        """The caller's stream is gone. An effect that began goes on; only waiting for it ends here."""
        if self._task is not None and not self._complete.is_set():
            self._task.cancel()

    async def _run(self) -> None:
        kernel = self._session.kernel
        named = kernel.sessions.get(self.opened.target.plugin)
        if named is not None:
            # A plugin that is coming back is waited for, as the kernel does.
            await named.attached.wait()
        provider = kernel.provider_of(self.opened)
        try:
            if provider is not None:
                end = await self._forward(provider)
            else:
                end = await self._fake()
        except JackfieldError as error:
            end = frame_pb2.CallEnd(error=error_to_proto(error))
        self._finish(end)

    async def _forward(self, provider: Session) -> frame_pb2.CallEnd:
        opened = frame_pb2.CallOpen()
        opened.CopyFrom(self.opened)
        event = self.delivered.proto.event if self.delivered is not None else None
        if event is not None and opened.target.bot == event.bot and not opened.target.HasField("chat"):
            opened.target.chat.CopyFrom(event.chat)
        opened.caller.plugin = self._session.plugin
        opened.caller.delivery_id = self.delivered.id if self.delivered is not None else ""
        opened.caller.idempotency_key = "/".join(self._key()) if opened.key else ""
        if event is not None and opened.target.chat == event.chat:
            opened.caller.reply_context = event.reply_context
        self._requests.popleft()
        call = self._forwarded = provider.open_call(opened)
        requests = asyncio.ensure_future(self._pump(call))
        responses = asyncio.ensure_future(self._pump_back(call))
        try:
            return await asyncio.shield(call.end)
        finally:
            requests.cancel()
            await responses

    async def _pump(self, call: KernelCall) -> None:
        while True:
            self._arrived.clear()
            while self._requests:
                await call.send(self._requests.popleft())
            if self._complete.is_set():
                if not self.opened.half_closed:
                    call.half_close()
                return
            await self._arrived.wait()

    async def _pump_back(self, call: KernelCall) -> None:
        try:
            while (body := await call.read()) is not None:
                self._send_back(body)
        except JackfieldError:
            # The end carries it.
            return

    async def _fake(self) -> frame_pb2.CallEnd:
        await self._complete.wait()
        answer: Any = self._session.kernel.fake_answer(self, list(self._requests))
        if inspect.isawaitable(answer):
            answer = await answer
        if isinstance(answer, list):
            for response in answer:
                self._send_back(response.SerializeToString())
            return frame_pb2.CallEnd(body=answer[-1].SerializeToString() if answer else b"")
        return frame_pb2.CallEnd(body=answer.SerializeToString())

    def _send_back(self, body: bytes) -> None:
        message = frame_pb2.CallMessage(call_id=self.opened.call_id, body=body)
        self._session.send(frame_pb2.Frame(call_message=message))

    def _answer(self, make: Callable[[], Any]) -> None:
        try:
            end = frame_pb2.CallEnd(body=make().SerializeToString())
        except JackfieldError as error:
            end = frame_pb2.CallEnd(error=error_to_proto(error))
        self._finish(end)

    def _finish(self, end: frame_pb2.CallEnd) -> None:
        opened = self.opened
        if opened.key and not (end.HasField("error") and end.error.retryable):
            self._session.kernel.state.recorded[self._key()] = end
        self._session.end_call(opened.call_id, end)

    def _key(self) -> tuple[str, str, str]:
        scope = self.delivered.id if self.delivered is not None else ""
        return (self._session.plugin, scope, self.opened.key)
