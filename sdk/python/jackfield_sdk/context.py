"""What a handler gets beside the event."""

from __future__ import annotations

import asyncio
import logging
import random
from datetime import datetime
from typing import Any

from jackfield.v1 import adapter_message_pb2, frame_pb2

from jackfield_sdk import convert, wellknown
from jackfield_sdk.adapter_types import SendResult
from jackfield_sdk.calling import ADAPTER, Caller, as_message, logger_for
from jackfield_sdk.entity import Chat, User
from jackfield_sdk.errors import JackfieldError
from jackfield_sdk.event import Event
from jackfield_sdk.kv import Kv
from jackfield_sdk.link.deliveries import Lease
from jackfield_sdk.link.link import Link
from jackfield_sdk.message import Message, TextFormat
from jackfield_sdk.payload import InteractionReceived, MessageEdited, MessageReceived
from jackfield_sdk.reply_stream import ReplyStream
from jackfield_sdk.target import Target


class Context(Caller):
    """One attempt at one delivery.

    Returning from the handler acknowledges the event, together with its emits and key-value writes. Raising
    `Retry`, or an error marked retryable, offers it again; raising anything else makes it a dead letter.
    Calls are recorded: after a crash the same handler runs again and gets the recorded results, so write it
    so that it makes the same calls.
    """

    def __init__(self, link: Link, lease: Lease, event: Event, plugin: str) -> None:
        super().__init__(link, lease, event.bot)
        self.event = event
        self.plugin = plugin
        self.kv = Kv(self, buffered=True)
        self._delivery = lease.delivery
        self._held: Lease = lease
        self._emits: list[frame_pb2.Emit] = []
        self._stop = False

    @property
    def attempt(self) -> int:
        """1 for the first attempt."""
        return self._delivery.attempt

    @property
    def delivery_id(self) -> str:
        """The same for every attempt."""
        return self._delivery.delivery_id

    @property
    def rule_id(self) -> str:
        """The rule that chose this handler."""
        return self._delivery.rule_id

    @property
    def rule_config(self) -> dict[str, Any]:
        """The rule's configuration for this handler."""
        return wellknown.struct_to_plain(self._delivery.rule_config)

    @property
    def lane_busy(self) -> bool:
        """Under a rule that bypasses the lane: whether another handler was at work there when this began."""
        return self._delivery.lane_busy

    @property
    def bot(self) -> str:
        """Name of the bot that the event came from; empty for an event without one."""
        return self.event.bot

    @property
    def chat(self) -> Chat | None:
        """The conversation; None for an event without one."""
        return self.event.chat

    @property
    def sender(self) -> User | None:
        """The acting user; None when the platform does not say."""
        return self.event.sender

    @property
    def merged(self) -> list[Event]:
        """Further events of a merge, in order, after `event`."""
        return [convert.event_to_plain(event) for event in self._delivery.merged]

    @property
    def cancelled(self) -> asyncio.Event:
        """Set when the delivery is taken back; the handler's task is cancelled too."""
        return self._held.cancelled

    @property
    def cancel_reason(self) -> JackfieldError | None:
        """Why the delivery is taken back; None while it is not. With the reason `CANCELLED` it is for good: a new
        message or an operator interrupted it. With any other reason it is offered again."""
        return self._held.error

    @property
    def log(self) -> logging.LoggerAdapter[logging.Logger]:
        """A logger that states the delivery."""
        return logging.LoggerAdapter(logger_for(self.plugin), {"delivery": self.delivery_id})

    def now(self) -> datetime:
        """The time at which the event was accepted: the same for every attempt."""
        return wellknown.time_to_plain(self._delivery.now)

    def random(self) -> random.Random:
        """A generator with the same seed for every attempt; ask for it once."""
        return random.Random(self._delivery.seed)

    def stop(self) -> None:
        """The remaining rules of the chain are dropped when this handler has returned."""
        self._stop = True

    def emit(self, type: str, data: dict[str, Any] | None = None, *, subject: str = "") -> None:
        """Publishes an event when the delivery is done. A name without a dot becomes `<plugin id>.<name>`."""
        name = type if "." in type else f"{self.plugin}.{type}"
        struct = wellknown.struct_to_proto(data or {})
        self._emits.append(frame_pb2.Emit(type=name, data=struct, subject=subject))

    async def reply(
        self,
        message: Message | str,
        *,
        quote: bool = False,
        with_feedback: bool = False,
        key: str | None = None,
        timeout: float | None = None,
    ) -> SendResult:
        """Answers the event in its own chat; needs the grant `reply`.

        A received message is replied to, an interaction answered; for any other event the chat gets a
        message.
        """
        event = self.event
        chain = convert.message_to_proto(as_message(message))
        payload = event.payload
        request: Any
        if isinstance(payload, MessageReceived | MessageEdited):
            method = "ReplyMessage"
            request = adapter_message_pb2.ReplyMessageRequest(
                reference=self._reference(payload.message_id),
                message=chain,
                quote_origin=quote,
                with_feedback=with_feedback,
            )
            response_type: Any = adapter_message_pb2.ReplyMessageResponse
        elif isinstance(payload, InteractionReceived):
            method = "AnswerInteraction"
            request = adapter_message_pb2.AnswerInteractionRequest(
                interaction_id=payload.id, reply_context=event.reply_context, message=chain
            )
            response_type = adapter_message_pb2.AnswerInteractionResponse
        else:
            method = "SendMessage"
            request = adapter_message_pb2.SendMessageRequest(message=chain, with_feedback=with_feedback)
            response_type = adapter_message_pb2.SendMessageResponse
        target = frame_pb2.CallTarget(bot=event.bot)
        # A reply that may stand twice is better than one that needs a hand: the result says `possibly_repeated`.
        body = await self._unary(ADAPTER + method, target, event.bot, request, key, timeout, "repeat")
        result: SendResult = convert.to_plain(response_type.FromString(body).result)
        return result

    def stream(
        self,
        *,
        quote: bool = False,
        markdown: bool = False,
        with_feedback: bool = False,
        key: str | None = None,
        timeout: float = 600.0,
    ) -> ReplyStream:
        """A reply whose text grows: `async with ctx.stream() as s: await s.append("...")`."""
        opening = adapter_message_pb2.StreamOpening(
            quote_origin=quote,
            with_feedback=with_feedback,
            format=TextFormat.MARKDOWN if markdown else TextFormat.UNSPECIFIED,  # type: ignore[arg-type]
        )
        if self.event.message_id:
            opening.reference.CopyFrom(self._reference(self.event.message_id))
        path = f"{ADAPTER}StreamReply"
        name = self._name(f"{path}|{self.bot}", key)
        self._unnamed.discard(f"{path}|{self.bot}")

        async def open_call(first: adapter_message_pb2.StreamReplyRequest) -> Any:
            return await self._open(
                path, Target(bot=self.bot), first, name, timeout, half_closed=False, server_streaming=False
            )

        return ReplyStream(opening, open_call)

    async def edit(
        self,
        message_id: str,
        message: Message | str,
        *,
        target: str | Target | Chat | None = None,
        key: str | None = None,
    ) -> tuple[str, ...]:
        """Replaces one of the bot's own messages; returns the names of segments shown by a fallback."""
        request = adapter_message_pb2.EditMessageRequest(
            message_id=message_id, message=convert.message_to_proto(as_message(message))
        )
        response = await self.call(
            ADAPTER + "EditMessage",
            request,
            adapter_message_pb2.EditMessageResponse,
            target=target,
            key=key,
            on_unknown="repeat",
        )
        return tuple(response.degraded)

    async def ask(self, prompt: Message | str | None = None, timeout: float = 300.0) -> Event:
        """Sends a prompt and returns the sender's next event in this lane. Raises TimeoutError after
        `timeout` seconds.

        Without a prompt it only waits. An event that comes too late is handled on its own.
        """
        sender = self.event.sender
        asked = frame_pb2.Input(fence=self._held.fence, ask_sender_id=sender.id if sender else "")
        self._link.send(frame_pb2.Frame(input=asked))
        if prompt is not None:
            await self.reply(prompt)
        async with asyncio.timeout(timeout):
            return await self.next_input()

    async def next_input(self) -> Event:
        """The next event that the busy mode `steer`, or `ask`, hands to this running delivery."""
        event = await self._held.next_input()
        read = frame_pb2.Input(fence=self._held.fence, read_event_id=event.id)
        self._link.send(frame_pb2.Frame(input=read))
        return convert.event_to_plain(event)

    def outcome(self) -> frame_pb2.Settle:
        """What the end of the delivery commits. For the runtime."""
        return frame_pb2.Settle(
            done=frame_pb2.Done(stop=self._stop, emits=self._emits, writes=self.kv.pending)
        )

    def _reference(self, message_id: str) -> adapter_message_pb2.ReplyReference:
        event = self.event
        return adapter_message_pb2.ReplyReference(
            message_id=message_id,
            reply_context=event.reply_context,
            platform_event_id=event.platform_event_id,
        )
