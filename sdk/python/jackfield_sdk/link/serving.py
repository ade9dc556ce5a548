"""Calls that others make to this plugin: dispatched by method name, answered once per key."""

from __future__ import annotations

import asyncio
import inspect
import logging
import traceback
from collections.abc import Callable
from typing import Any

import grpc
from jackfield.v1 import error_pb2, frame_pb2

from jackfield_sdk.errors import Cancelled, JackfieldError, NotSupported, error_to_proto
from jackfield_sdk.link.call_context import Aborted, IncomingCall
from jackfield_sdk.link.methods import Method
from jackfield_sdk.tracing import Tracer, Work

# Results under a key that the kernel has not confirmed as recorded; the oldest go first.
KEPT_RESULTS = 4096
TRACEBACK_BYTES = 8192
Send = Callable[[frame_pb2.Frame], None]
logger = logging.getLogger("jackfield_sdk.serving")


class Serving:
    """The calls that run in this process for others."""

    def __init__(self, send: Send, methods: dict[str, Method]) -> None:
        self._send = send
        self._methods = methods
        self.tracer: Tracer | None = None
        self._calls: dict[int, IncomingCall] = {}
        self._by_key: dict[str, IncomingCall] = {}
        self._keys: dict[int, str] = {}
        self._leaving = False

    def __len__(self) -> int:
        """How many run."""
        return len(self._calls)

    def opened(self, opened: frame_pb2.CallOpen) -> None:
        """A call arrived. Under a key that is known it joins the running one or is answered from its
        result."""
        key = opened.caller.idempotency_key
        known = self._by_key.get(key) if key else None
        if known is not None:
            self._keys[opened.call_id] = key
            if known.end is not None:
                self._answer(known, opened.call_id)
            elif known.call_id in self._calls:
                known.joined.append(opened.call_id)
            else:
                # Opened again after a lost stream, under a new id.
                known.resumed(opened.call_id)
                self._calls[opened.call_id] = known
            return
        method = self._methods.get(opened.method)
        call = IncomingCall(opened, self._send)
        self._calls[call.call_id] = call
        if method is None:
            name = opened.method.rpartition("/")[2]
            self._end(call, error=error_to_proto(_unsupported(name)))
            return
        # Known before its task has run at all: the stream may break in the same moment.
        call.cut_by_loss = method.request_streaming or (method.response_streaming and not key)
        if key:
            self._keep(key, call)
        call.task = asyncio.get_running_loop().create_task(self._run(method, call))

    def message(self, message: frame_pb2.CallMessage) -> None:
        """A further request message."""
        call = self._calls.get(message.call_id)
        if call is not None:
            call.received(message.body)

    def half_closed(self, frame: frame_pb2.CallHalfClose) -> None:
        """No further request messages."""
        call = self._calls.get(frame.call_id)
        if call is not None:
            call.half_closed()

    def cancel(self, cancel: frame_pb2.Cancel) -> None:
        """An explicit cancel by the caller or the kernel."""
        call = self._calls.get(cancel.call_id)
        if call is not None and call.task is not None:
            call.task.cancel()

    def credit(self, credit: frame_pb2.Credit) -> None:
        """The caller takes more response messages."""
        call = self._calls.get(credit.call_id)
        if call is not None:
            call.room.add(credit.call_messages)

    def recorded(self, recorded: frame_pb2.Recorded) -> None:
        """These results are in the journal."""
        for call_id in recorded.call_ids:
            self._by_key.pop(self._keys.pop(call_id, ""), None)

    def lost(self) -> None:
        """The stream broke: calls go on and keep their results; cut are streams of requests, and streams without a key."""
        for call in list(self._calls.values()):
            call.joined.clear()
            if call.cut_by_loss and call.task is not None:
                self._by_key.pop(call.caller.idempotency_key, None)
                call.task.cancel()
            else:
                call.lost()
        self._calls.clear()
        self._keys.clear()

    async def drain(self, seconds: float) -> None:
        """Waits for running calls, then cancels them."""
        tasks = [call.task for call in self._calls.values() if call.task is not None]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=seconds)
            self._leaving = True
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late)

    async def _run(self, method: Method, call: IncomingCall) -> None:
        delivery_id = call.caller.delivery_id
        with Work(
            call.trace,
            self.tracer,
            event_id=delivery_id.rpartition(".")[0],
            delivery_id=delivery_id,
            name=method.path,
            kind="server",
            attributes={"rpc.system": "jackfield", "jackfield.caller": call.caller.plugin},
        ) as work:
            answered = await self._answered(method, call)
            if answered is None:
                return
            body, error = answered
            if error is not None:
                work.failed(error.reason)
        self._end(call, body=body, error=error)

    async def _answered(
        self, method: Method, call: IncomingCall
    ) -> tuple[bytes, error_pb2.Error | None] | None:
        """What the author's code makes of a call; None for one that is to stay undecided."""
        error: error_pb2.Error | None = None
        body = b""
        try:
            request = call.requests(method) if method.request_streaming else method.deserialize(call.body)
            call.serialize = method.serialize
            answer = method.behaviour(request, call)
            if method.response_streaming:
                await _write_all(answer, call)
                body = call.last if call.caller.idempotency_key else b""
            else:
                body = method.serialize(await answer if inspect.isawaitable(answer) else answer)
        except asyncio.CancelledError:
            if self._leaving:
                # Nobody knows what the effect was: unanswered, the call is decided by its `on_unknown` when this process is gone.
                return None
            error = error_to_proto(Cancelled("the call was cancelled"))
        except Aborted as aborted:
            error = aborted.error
        except JackfieldError as refusal:
            error = error_to_proto(refusal)
        except Exception as fault:
            # The border between an author's code and the wire: whatever it raises becomes a typed error.
            logger.exception("%s failed", method.path)
            error = failure(fault, method.path)
        return body, error

    def _end(self, call: IncomingCall, body: bytes = b"", error: error_pb2.Error | None = None) -> None:
        call.end = frame_pb2.CallEnd(body=body, error=error)
        call.finish()
        key = call.caller.idempotency_key
        if key and error is not None and (error.retryable or error.reason == Cancelled.reason):
            # A failure that may pass must not be answered for ever, nor the end of a call that its caller gave up.
            self._by_key.pop(key, None)
        if self._calls.get(call.call_id) is call:
            del self._calls[call.call_id]
            for call_id in (call.call_id, *call.joined):
                self._answer(call, call_id)

    def _answer(self, call: IncomingCall, call_id: int) -> None:
        assert call.end is not None
        end = frame_pb2.CallEnd()
        end.CopyFrom(call.end)
        end.call_id = call_id
        try:
            self._send(frame_pb2.Frame(call_end=end))
        except JackfieldError as too_large:
            refused = frame_pb2.CallEnd(call_id=call_id, error=error_to_proto(too_large))
            self._send(frame_pb2.Frame(call_end=refused))

    def _keep(self, key: str, call: IncomingCall) -> None:
        self._by_key[key] = call
        self._keys[call.call_id] = key
        if len(self._by_key) > KEPT_RESULTS:
            oldest = next((k for k, kept in self._by_key.items() if kept.end is not None), None)
            if oldest is not None:
                dropped = self._by_key.pop(oldest)
                for call_id in (dropped.call_id, *dropped.joined):
                    self._keys.pop(call_id, None)


async def _write_all(answer: Any, call: IncomingCall) -> None:
    """An async generator is written message by message; a coroutine writes by `context.write` itself."""
    if inspect.isawaitable(answer):
        await answer
        return
    async for response in answer:
        await call.write(response)


def _unsupported(name: str) -> NotSupported:
    api = "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_")
    return NotSupported(f"this plugin does not implement {name}", metadata={"api": api})


def failure(fault: BaseException, where: str) -> error_pb2.Error:
    """What an unexpected exception becomes; the traceback is for the operator."""
    text = "".join(traceback.format_exception(fault)).encode()[-TRACEBACK_BYTES:]
    return error_pb2.Error(
        reason="INTERNAL",
        code=grpc.StatusCode.INTERNAL.value[0],
        message=f"{where}: {type(fault).__name__}: {fault}"[:500],
        remedy="This is a fault of the plugin; the traceback stands in metadata.",
        metadata={"traceback": text.decode(errors="replace")},
    )
