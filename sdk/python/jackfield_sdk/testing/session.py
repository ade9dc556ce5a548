"""One plugin's stream as the fake kernel sees it: the reference of what a kernel answers to each frame."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any

from jackfield.v1 import error_pb2, frame_pb2

from jackfield_sdk import convert
from jackfield_sdk.errors import JackfieldError, Unavailable, error_to_plain, error_to_proto
from jackfield_sdk.link.outbox import Outbox
from jackfield_sdk.testing.fake_calls import KernelCall, PluginCall
from jackfield_sdk.testing.fake_state import refused
from jackfield_sdk.testing.records import Delivered, Outcome, Published

if TYPE_CHECKING:
    from jackfield_sdk.testing.kernel import FakeKernel


class Session:
    """What the fake kernel knows of one plugin. The stream may come and go."""

    def __init__(self, kernel: FakeKernel, plugin: str, secret: str) -> None:
        self.kernel = kernel
        self.plugin = plugin
        self.secret = secret
        self.config = frame_pb2.Config(version=1)
        self.attach: frame_pb2.Attach | None = None
        self.attached = asyncio.Event()
        self.detached = asyncio.Event()
        self.detached.set()
        self.ready = asyncio.Event()
        self.report = frame_pb2.Report()
        self.bots: dict[str, frame_pb2.BotReport] = {}
        self.leased: dict[int, Delivered] = {}
        self.pings: list[frame_pb2.Ping] = []
        self.faults: list[JackfieldError] = []
        self.goaway = asyncio.Event()
        self.observed = 0
        self.attachments = 0
        self.recorded: list[int] = []
        self._held_acks: list[frame_pb2.Ack] = []
        self._outbox = Outbox()
        self._stream: asyncio.Task[Any] | None = None
        self._next_call = 2
        self._kernel_calls: dict[int, KernelCall] = {}
        self._plugin_calls: dict[int, PluginCall] = {}
        self._last_opened = 0
        self._kinds: dict[str, Callable[[Any], None]] = {
            "publish": self._publish,
            "settle": self._settle,
            "call_open": self._call_open,
            "call_message": self._call_message,
            "call_half_close": self._call_half_close,
            "call_end": self._call_end,
            "cancel": self._cancel,
            "input": self._input,
            "credit": self._credit,
            "ping": self._ping,
            "goaway": self._goaway,
            "report": self._report,
            "fault": self._fault,
        }

    # The stream.

    async def exchange(
        self, attach: frame_pb2.Attach, batches: AsyncIterator[frame_pb2.FrameBatch]
    ) -> AsyncIterator[frame_pb2.FrameBatch]:
        """Answers one stream until either side ends it."""
        self._outbox = Outbox()
        self._next_call, self._last_opened = 2, 0
        self._begin(attach)
        reader = asyncio.ensure_future(self._read(batches))
        self._stream = reader
        try:
            while await self._outbox.filled():
                if (batch := self._outbox.take()) is not None:
                    yield batch
        finally:
            reader.cancel()
            self._end()

    def drop(self) -> None:
        """Cuts the stream as a broken connection would."""
        self._outbox.close()

    def send(self, frame: frame_pb2.Frame) -> None:
        """Sends a frame to the plugin."""
        self._outbox.put(frame)

    def _begin(self, attach: frame_pb2.Attach) -> None:
        state = self.kernel.state
        self.attach = attach
        self.attachments += 1
        self.secret = f"token-{self.plugin}-{self.attachments}"
        kept = []
        before, self.leased = self.leased, {}
        for running in attach.running:
            delivered = before.get(running.fence)
            if delivered is not None and self.kernel.adopts:
                fence = self.kernel.next_fence()
                self.leased[fence] = delivered
                kept.append(frame_pb2.Kept(old_fence=running.fence, new_fence=fence))
        attached = frame_pb2.Attached(
            journal=state.journal,
            boot=state.boot,
            resume_token=self.secret,
            committed_sequence=state.sequences.get(self.plugin, 0),
            config=self.config,
            credit=frame_pb2.Credit(publishes=self.kernel.publish_window, calls=256),
            kept=kept,
        )
        attached.heartbeat.FromMilliseconds(int(self.kernel.heartbeat * 1000))
        self.send(frame_pb2.Frame(attached=attached))
        self.detached.clear()
        self.attached.set()

    def _end(self) -> None:
        self._outbox.close()
        self.attached.clear()
        self.ready.clear()
        for call in list(self._kernel_calls.values()):
            call.fail(Unavailable("the plugin's stream ended"))
        self._kernel_calls.clear()
        for served in self._plugin_calls.values():
            served.abandon()
        self._plugin_calls.clear()
        self.detached.set()

    async def _read(self, batches: AsyncIterator[frame_pb2.FrameBatch]) -> None:
        async for batch in batches:
            for frame in batch.frames:
                kind = frame.WhichOneof("kind") or ""
                action = self._kinds.get(kind)
                if kind in self.kernel.refused_kinds:
                    self._refuse(refused("UNSUPPORTED_FRAME", f"no {kind} here", 12), kind)
                elif action is not None:
                    action(getattr(frame, kind))
                else:
                    self._refuse(refused("UNSUPPORTED_FRAME", f"no frame {kind!r} from plugins", 12), kind)
        self._outbox.close()

    def _refuse(self, error: error_pb2.Error, kind: str) -> None:
        self.send(frame_pb2.Frame(fault=frame_pb2.Fault(error=error, kind=kind)))

    # Events.

    def _publish(self, publish: frame_pb2.Publish) -> None:
        state = self.kernel.state
        expected = state.sequences.get(self.plugin, 0) + 1
        if publish.sequence < expected:
            self._ack(frame_pb2.Ack(sequence=expected - 1))
            return
        if publish.sequence > expected:
            self._refuse(refused("PROTOCOL_VIOLATION", f"sequence {expected} is next"), "publish")
            return
        state.sequences[self.plugin] = expected
        event = convert.event_to_plain(publish.event)
        ack = frame_pb2.Ack(sequence=expected)
        error = self.kernel.judge(self, event)
        known = {f"id/{event.id}"} | ({f"key/{publish.dedup_key}"} if publish.dedup_key else set())
        if error is not None:
            ack.refused.add(sequence=expected, error=error_to_proto(error))
        elif not known & state.seen:
            state.seen |= known
            self.kernel.add_published(
                Published(event, publish.dedup_key, publish.checkpoint, expected, self.plugin)
            )
        self._ack(ack)

    def _ack(self, ack: frame_pb2.Ack) -> None:
        if self.kernel.holds_acks:
            self._held_acks.append(ack)
        else:
            self.send(frame_pb2.Frame(ack=ack))

    def release_acks(self) -> None:
        """Sends what `holds_acks` held back."""
        for ack in self._held_acks:
            self.send(frame_pb2.Frame(ack=ack))
        self._held_acks.clear()

    # Deliveries.

    def deliver(self, delivered: Delivered) -> None:
        """Leases a delivery to the plugin."""
        delivered.proto.fence = self.kernel.next_fence()
        self.leased[delivered.proto.fence] = delivered
        self.send(frame_pb2.Frame(delivery=delivered.proto))

    def _settle(self, settle: frame_pb2.Settle) -> None:
        if settle.WhichOneof("outcome") == "observed_sequence":
            self.observed = settle.observed_sequence
            self.kernel.note_observed()
            return
        delivered = self.leased.get(settle.fence)
        if delivered is None:
            self._refuse_settle(settle.fence, refused("LEASE_LOST", "not leased to this session"))
            return
        if settle.HasField("done"):
            try:
                self.kernel.state.write(settle.done.writes)
            except JackfieldError as error:
                self._refuse_settle(settle.fence, error_to_proto(error))
                return
        del self.leased[settle.fence]
        self.send(frame_pb2.Frame(settled=frame_pb2.Settled(fences=[settle.fence])))
        if not delivered.outcome.done():
            delivered.outcome.set_result(Outcome.of(settle))

    def _refuse_settle(self, fence: int, error: error_pb2.Error) -> None:
        refusal = frame_pb2.SettleRefusal(fence=fence, error=error)
        self.send(frame_pb2.Frame(settled=frame_pb2.Settled(refused=[refusal])))

    def _input(self, frame: frame_pb2.Input) -> None:
        delivered = self.leased.get(frame.fence)
        if delivered is None:
            self._refuse(refused("LEASE_LOST", "not leased to this session"), "input")
        elif frame.read_event_id:
            delivered.read_inputs.append(frame.read_event_id)
        else:
            delivered.asked.set()

    # Calls that the plugin makes.

    def _call_open(self, opened: frame_pb2.CallOpen) -> None:
        if opened.call_id % 2 == 0 or opened.call_id <= self._last_opened:
            self._refuse(refused("PROTOCOL_VIOLATION", f"call id {opened.call_id}"), "call_open")
            return
        self._last_opened = opened.call_id
        delivered = self.leased.get(opened.fence) if opened.fence else None
        if opened.fence and delivered is None:
            end = frame_pb2.CallEnd(error=refused("LEASE_LOST", "not leased to this session"))
            self.end_call(opened.call_id, end)
            return
        call = PluginCall(self, opened, delivered)
        self._plugin_calls[opened.call_id] = call
        call.begin()

    def end_call(self, call_id: int, end: frame_pb2.CallEnd) -> None:
        """Ends a call of the plugin."""
        self._plugin_calls.pop(call_id, None)
        answer = frame_pb2.CallEnd()
        answer.CopyFrom(end)
        answer.call_id = call_id
        self.send(frame_pb2.Frame(call_end=answer))

    def _call_message(self, message: frame_pb2.CallMessage) -> None:
        if message.call_id % 2:
            served = self._plugin_calls.get(message.call_id)
            if served is not None:
                served.request(message.body)
                credit = frame_pb2.Credit(call_id=message.call_id, call_messages=1)
                self.send(frame_pb2.Frame(credit=credit))
            return
        call = self._kernel_calls.get(message.call_id)
        if call is not None:
            call.received(message.body)

    def _call_half_close(self, frame: frame_pb2.CallHalfClose) -> None:
        served = self._plugin_calls.get(frame.call_id)
        if served is not None:
            served.half_closed()

    def _cancel(self, cancel: frame_pb2.Cancel) -> None:
        served = self._plugin_calls.pop(cancel.call_id, None)
        if served is not None:
            served.cancel()
            self.end_call(cancel.call_id, frame_pb2.CallEnd(error=cancel.error))

    # Calls that the plugin serves.

    def open_call(self, opened: frame_pb2.CallOpen) -> KernelCall:
        """Hands a call to the plugin."""
        opened.call_id = self._next_call
        self._next_call += 2
        call = KernelCall(opened.call_id, self.send)
        self._kernel_calls[opened.call_id] = call
        self.send(frame_pb2.Frame(call_open=opened))
        return call

    def _call_end(self, end: frame_pb2.CallEnd) -> None:
        call = self._kernel_calls.pop(end.call_id, None)
        if call is not None:
            call.ended(end)
            self.recorded.append(end.call_id)
            self.send(frame_pb2.Frame(recorded=frame_pb2.Recorded(call_ids=[end.call_id])))

    def _credit(self, credit: frame_pb2.Credit) -> None:
        call = self._kernel_calls.get(credit.call_id)
        if call is not None:
            call.granted(credit.call_messages)

    # The plugin's word about itself.

    def _ping(self, ping: frame_pb2.Ping) -> None:
        self.pings.append(ping)
        self.send(frame_pb2.Frame(ping=frame_pb2.Ping(number=ping.number, reply=True)))

    def _goaway(self, goaway: frame_pb2.Goaway) -> None:
        self.goaway.set()

    def _report(self, report: frame_pb2.Report) -> None:
        if report.readiness != frame_pb2.READINESS_UNSPECIFIED:
            self.report = report
            if report.readiness == frame_pb2.READINESS_READY:
                self.ready.set()
            else:
                self.ready.clear()
        for bot in report.bots:
            self.bots[bot.bot] = bot
        self.kernel.note_report()

    def _fault(self, fault: frame_pb2.Fault) -> None:
        self.faults.append(error_to_plain(fault.error))
