"""Carries calls from one plugin to another: who provides, who may, once per key, within its deadline. Bodies are bytes to it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from functools import partial

from google.protobuf.message import DecodeError
from jackfield.v1 import access_pb2, error_pb2, frame_pb2

from ..bus.bus import Bus
from ..bus.model import Delivery
from ..errors import KernelError, Refused, problem, to_wire
from .answers import answer_peer, outcome_unknown, record_of, replayed, same_chat, stamp_chat
from .call import Answer, Call, Peer, Result, call_of
from .directory import Directory, provider_for
from .kept import KeptResults
from .methods import method_of
from .outbox import MAX_WAITING, Outbox

log = logging.getLogger(__name__)

DEFAULT_TIMEOUT = 60.0
MESSAGE_WINDOW = 32
"""Messages of a streaming call that its reader lets come before it grants more."""

KERNEL = "kernel"


KernelMethod = Callable[[Peer, Call], None]
"""A method of the Kernel service, called by frame. It calls `Broker.finish` or `Broker.fail` when it is done."""


class Broker:
    """All calls in flight. Runs on the event loop and waits for nothing."""

    def __init__(
        self,
        bus: Bus,
        directory: Directory,
        kept: KeptResults,
        journal_time: Callable[[], float],
        tasks: asyncio.TaskGroup,
    ) -> None:
        self._bus = bus
        self._directory = directory
        self._kept = kept
        self._tasks = tasks
        self._now = journal_time
        self._keyed: dict[tuple[str, str], Call] = {}
        self.outbox = Outbox()
        self._rpc_id = 1
        self.kernel_methods: dict[str, KernelMethod] = {}
        self.on_kernel_closed: Callable[[Call], None] = lambda call: None
        self.on_denied: Callable[[str, str, str], None] = lambda plugin, method, grant: None
        self.on_unrecorded: Callable[[Call, Result], None] = lambda call, result: None
        """A call of a plugin ended of which the journal keeps no record under an event."""
        self.on_finished: Callable[[str, float, bool], None] = lambda method, seconds, failed: None

    # Opening --------------------------------------------------------------------------------------------------------

    def open(self, peer: Peer, frame: frame_pb2.CallOpen) -> None:
        """A plugin opens a call on its stream."""
        self._open(peer, frame, partial(answer_peer, peer, frame.call_id))

    def open_once(self, peer: Peer, frame: frame_pb2.CallOpen, answer: Answer) -> None:
        """A plugin makes a unary call by RPC: no stream frame ever refers to it."""
        self._rpc_id -= 2
        frame.call_id = self._rpc_id % 2**64
        self._open(peer, frame, answer)

    def _open(self, peer: Peer, frame: frame_pb2.CallOpen, answer: Answer) -> None:
        try:
            call = self._prepare(peer, frame, answer)
        except Refused as refusal:
            error = to_wire(refusal)
            if refusal.reason == "GRANT_MISSING":
                self.on_denied(peer.plugin, frame.method, refusal.metadata["grant"])
            answer(Result(error=error))
            return
        if call is None:
            return
        peer.opened[frame.call_id] = call
        if call.delivery is None and call.key and call.provider_name != KERNEL:
            self._tasks.create_task(self._start_once(call), name=f"kept result of {call.key}")
        else:
            self._start(call)

    def _prepare(self, peer: Peer, frame: frame_pb2.CallOpen, answer: Answer) -> Call | None:
        """The call to start; None when its answer is known or on its way."""
        method = method_of(frame.method)
        if method is None:
            raise Refused(
                "INVALID_ARGUMENT", f"{frame.method!r} is not /package.Service/Method", field="method"
            )
        if frame.call_id % 2 == 0 or frame.call_id in peer.opened:
            raise Refused(
                "PROTOCOL_VIOLATION", f"call id {frame.call_id} is even or in use", frame="call_open"
            )
        delivery: Delivery | None = None
        if frame.fence:
            delivery = peer.leases.get(frame.fence)
            if delivery is None:
                raise Refused("LEASE_LOST", "the delivery of this call is not leased to this session")
        if method.path in self.kernel_methods:
            return call_of(peer, frame, method, KERNEL, delivery, answer)
        provider = provider_for(self._directory, method, frame.target)
        own_chat = stamp_chat(frame.target, delivery)
        missing = peer.grants.missing_for(method, own_chat=own_chat)
        if missing is not None:
            raise Refused(
                "GRANT_MISSING",
                f"plugin {peer.plugin} may not call {method.path}: it lacks the grant {missing}",
                remedy=f"jackfield plugin grants {peer.plugin} --add {missing}",
                grant=missing,
            )
        call = call_of(peer, frame, method, provider, delivery, answer)
        if not call.key:
            return call
        if delivery is not None and (known := delivery.calls.get(call.key)) is not None:
            answer(replayed(known.record, changed=known.digest != call.digest))
            return None
        joined = self._keyed.get((call.scope, call.key))
        if joined is not None:
            joined.answers.append(answer)
            if joined.caller is None:
                # The caller came back: what is left of the stream goes to it, and it may cancel.
                joined.caller, joined.caller_id = peer, frame.call_id
                peer.opened[frame.call_id] = joined
            return None
        self._keyed[call.scope, call.key] = call
        return call

    def request(
        self,
        provider: str,
        path: str,
        body: bytes,
        *,
        target: frame_pb2.CallTarget | None = None,
        timeout: float = DEFAULT_TIMEOUT,
        caller: str = KERNEL,
        session: Peer | None = None,
    ) -> asyncio.Future[bytes]:
        """A unary call of the kernel itself, to one `session` or to whoever serves. The future fails with `CallFailed`."""
        method = method_of(path)
        assert method is not None
        frame = frame_pb2.CallOpen(method=path, target=target, body=body, half_closed=True)
        frame.timeout.FromMilliseconds(int(timeout * 1000))
        future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

        def answer(result: Result) -> None:
            if future.done():
                return
            if result.error is not None:
                future.set_exception(CallFailed(result.error))
            else:
                future.set_result(result.body)

        self._start(
            Call(method, frame, provider, caller, "", b"", [answer], time.monotonic(), pinned=session)
        )
        return future

    # Forwarding -----------------------------------------------------------------------------------------------------

    async def _start_once(self, call: Call) -> None:
        """Outside a delivery: start the call unless its result is kept."""
        self._set_deadline(call)
        try:
            known = await self._kept.find(call.scope, call.key)
        except KernelError as error:
            self.fail(call, to_wire(error))
            return
        except DecodeError:
            # A damaged entry fails this call, not the kernel; it must not act again either.
            self.fail(call, problem("INTERNAL", f"the kept result of {call.key!r} cannot be read"))
            return
        if call.timer is None:
            return
        if known is not None:
            self._close(call, replayed(known, changed=known.digest != call.digest))
        else:
            self._start(call)

    def _set_deadline(self, call: Call) -> None:
        frame = call.open
        timeout = DEFAULT_TIMEOUT
        if frame.HasField("timeout"):
            timeout = frame.timeout.seconds + frame.timeout.nanos / 1e9
        call.timer = asyncio.get_running_loop().call_later(timeout, self._late, call)

    def _start(self, call: Call) -> None:
        if call.timer is None:
            self._set_deadline(call)
        own = self.kernel_methods.get(call.method.path) if call.provider_name == KERNEL else None
        if own is not None and call.caller is not None:
            own(call.caller, call)
            return
        provider = self._provider_for(call)
        if provider is None:
            self._wait(call)
        else:
            self._forward(call, provider)

    def _provider_for(self, call: Call) -> Peer | None:
        """The session that takes the call now; None while it is away, has all it takes, or has not opened the bot."""
        bot = call.open.target.bot
        if bot and (
            call.method.access == access_pb2.ACCESS_KERNEL
            or self._directory.adapter_of(bot) != call.provider_name
        ):
            bot = ""
        provider = call.pinned or self._directory.peer(call.provider_name, bot)
        if provider is None or len(provider.provides) >= provider.window().calls:
            return None
        return provider

    def _wait(self, call: Call) -> None:
        """Wait for the provider until the deadline instead of failing at once."""
        if not self.outbox.add(call):
            self.fail(
                call, problem("OVERLOADED", f"{MAX_WAITING} calls wait for {call.provider_name} already")
            )

    def _forward(self, call: Call, provider: Peer) -> None:
        if call.cut and call.cut != provider.instance:
            # Another generation took over before the one that held the call came back.
            self._unknown(call)
            return
        call.provider, call.cut = provider, ""
        call.provider_id = provider.next_call_id()
        provider.provides[call.provider_id] = call
        frame = frame_pb2.Frame()
        sent = frame.call_open
        sent.CopyFrom(call.open)
        sent.call_id = call.provider_id
        sent.fence = 0
        sent.possibly_repeated = call.possibly_repeated
        sent.server_streaming = call.method.server_streaming or call.open.server_streaming
        caller = sent.caller
        caller.plugin = call.caller.plugin if call.caller is not None else call.scope
        caller.idempotency_key = f"{call.scope}/{call.key}" if call.key else ""
        delivery = call.delivery
        if delivery is not None:
            caller.delivery_id = delivery.id
            event = delivery.run.event
            if (
                event.reply_context
                and event.bot == sent.target.bot
                and same_chat(event.chat, sent.target.chat)
            ):
                caller.reply_context = event.reply_context
            if not sent.trace:
                sent.trace = event.trace
        provider.send(frame)
        early, call.early = call.early, []
        for late in early:
            self._pass_on(call, late)

    def provider_ready(self, plugin: str) -> None:
        """A provider can take (more) calls, or opened a bot."""
        for queue in self.outbox.queues(plugin):
            while queue and (provider := self._provider_for(queue[0])) is not None:
                call = queue.popleft()
                if call.timer is not None:
                    self._forward(call, provider)

    def from_caller(self, peer: Peer, call_id: int, frame: frame_pb2.Frame) -> bool:
        """A further request message, half-close or credit from the caller. False when the call is over."""
        call = peer.opened.get(call_id)
        if call is None:
            return False
        if call.provider is None:
            call.early.append(frame)
        else:
            self._pass_on(call, frame)
        return True

    def _pass_on(self, call: Call, frame: frame_pb2.Frame) -> None:
        assert call.provider is not None
        kind = frame.WhichOneof("kind")
        getattr(frame, kind or "credit").call_id = call.provider_id
        call.provider.send(frame)

    def from_provider(self, peer: Peer, call_id: int, frame: frame_pb2.Frame) -> bool:
        """A response message or credit from the provider. False when the call is over."""
        call = peer.provides.get(call_id)
        if call is None:
            return False
        if call.caller is not None:
            kind = frame.WhichOneof("kind")
            getattr(frame, kind or "credit").call_id = call.caller_id
            call.caller.send(frame)
        else:
            # Nobody reads, and the end alone counts: the provider must not wait for a reader.
            self._read_on(call, 1)
        return True

    def _read_on(self, call: Call, messages: int) -> None:
        if call.provider is not None:
            credit = frame_pb2.Credit(call_id=call.provider_id, call_messages=messages)
            call.provider.send(frame_pb2.Frame(credit=credit))

    # Ending ---------------------------------------------------------------------------------------------------------

    def ended(self, peer: Peer, end: frame_pb2.CallEnd) -> bool:
        """The provider answers. False when the call is over already."""
        call = peer.provides.pop(end.call_id, None)
        if call is None:
            return False
        call.provider = None
        error = end.error if end.HasField("error") else None
        self.on_finished(call.method.path, time.monotonic() - call.started, error is not None)
        result = Result(end.body, error, possibly_repeated=end.possibly_repeated or call.possibly_repeated)
        done = partial(self._recorded, call, result, peer, end.call_id)
        if not call.key or (error is not None and error.retryable):
            done()
        elif call.delivery is not None:
            call.journaled = True
            self._bus.record(call.delivery, record_of(call, result, self._now()), done)
        else:
            self._kept.keep(call.scope, record_of(call, result, self._now()), done)
        self.provider_ready(peer.plugin)
        return True

    def _recorded(self, call: Call, result: Result, provider: Peer, call_id: int) -> None:
        self._close(call, result)
        provider.recorded(call_id)

    def forever(self, call: Call) -> None:
        """A watch: it lasts until its caller cancels it or is gone."""
        if call.timer is not None:
            call.timer.cancel()

    def finish(self, call: Call, body: bytes) -> None:
        """End a call with its response."""
        self._close(call, Result(body))

    def fail(self, call: Call, error: error_pb2.Error) -> None:
        """End a call with an error."""
        self._close(call, Result(error=error))

    def _close(self, call: Call, result: Result) -> None:
        if call.timer is None:
            return
        call.timer.cancel()
        call.timer = None
        if call.key and self._keyed.get((call.scope, call.key)) is call:
            del self._keyed[call.scope, call.key]
        if call.caller is not None:
            call.caller.opened.pop(call.caller_id, None)
        if call.provider is not None:
            call.provider.provides.pop(call.provider_id, None)
        if call.provider_name == KERNEL:
            self.on_kernel_closed(call)
        if call.digest and not call.journaled and not result.recorded:
            self.on_unrecorded(call, result)
        for answer in call.answers:
            answer(result)

    def _late(self, call: Call) -> None:
        error = problem(
            "DEADLINE_EXCEEDED", f"{call.provider_name} did not answer {call.method.path} in time"
        )
        self._stop_provider(call, error)
        self.fail(call, error)

    def cancel(self, peer: Peer, call_id: int, error: error_pb2.Error) -> bool:
        """The caller cancels: the only thing that stops an effect. False when the call is over."""
        call = peer.opened.get(call_id)
        if call is None:
            return False
        if not error.reason:
            error = problem("CANCELLED", "the caller cancelled the call")
        self._stop_provider(call, error)
        self.fail(call, error)
        return True

    def _stop_provider(self, call: Call, error: error_pb2.Error) -> None:
        if call.provider is not None:
            call.provider.send(
                frame_pb2.Frame(cancel=frame_pb2.Cancel(call_id=call.provider_id, error=error))
            )
        self.outbox.remove(call)

    # Sessions -------------------------------------------------------------------------------------------------------

    def lost(self, peer: Peer) -> None:
        """A stream ended: its own calls go on without it; those it provided wait for the process to come back."""
        for call in list(peer.opened.values()):
            call.caller = None
            if call.provider_name == KERNEL or (not call.lasting and call.provider is not None):
                self._stop_provider(call, problem("CANCELLED", "the caller is gone"))
                self._close(call, Result())
            elif call.streaming:
                self._read_on(call, MESSAGE_WINDOW)
        peer.opened.clear()
        provided = list(peer.provides.values())
        peer.provides.clear()
        for call in provided:
            call.provider = None
            if not call.lasting:
                self.fail(call, outcome_unknown(call))
            elif call.key:
                # The same process may come back: under the key it answers from what it kept, and acts once.
                call.cut = peer.instance
                self._wait(call)
            else:
                self._unknown(call)

    def gone(self, plugin: str, instance: str) -> None:
        """A process of a provider ended: nobody will ever know what became of the calls that it held."""
        for call in self.outbox.take_cut(plugin, instance):
            self._unknown(call)

    def _unknown(self, call: Call) -> None:
        call.cut = ""
        if call.open.on_unknown == frame_pb2.ON_UNKNOWN_REPEAT:
            call.possibly_repeated = True
            self._wait(call)
        else:
            self.fail(call, outcome_unknown(call))


class CallFailed(Exception):
    """A call of the kernel itself failed.

    Attributes:
        error: what the provider or the broker answered.
    """

    def __init__(self, error: error_pb2.Error) -> None:
        super().__init__(f"{error.reason}: {error.message}")
        self.error = error
