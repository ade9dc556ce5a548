"""What an adapter's methods are called with."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

from jackfield.v1 import adapter_message_pb2

from jackfield_sdk import convert
from jackfield_sdk.adapter_types import StreamOpening
from jackfield_sdk.bot import Bot
from jackfield_sdk.entity import Chat
from jackfield_sdk.errors import InvalidArgument
from jackfield_sdk.link.call_context import IncomingCall
from jackfield_sdk.message import Message


class Call:
    """One call to the adapter: which bot and chat, who asks, under which key."""

    __slots__ = ("_context", "_incoming", "bot", "with_feedback")

    def __init__(self, bot: Bot, incoming: IncomingCall, with_feedback: bool = False) -> None:
        self.bot = bot
        self.with_feedback = with_feedback
        self._incoming = incoming
        self._context = incoming.jackfield

    @property
    def chat(self) -> Chat:
        """The conversation acted upon. Raises InvalidArgument for a call without one."""
        if self._context.chat is None:
            raise InvalidArgument("this call needs a chat in its target", metadata={"field": "target.chat"})
        return self._context.chat

    @property
    def has_chat(self) -> bool:
        """True when the call names a conversation."""
        return self._context.chat is not None

    @property
    def caller(self) -> str:
        """Id of the calling plugin."""
        return self._context.caller

    @property
    def key(self) -> str:
        """The same for every repeat of this call; hand it to the platform where it takes one. Empty for
        reads."""
        return self._context.idempotency_key

    @property
    def reply_context(self) -> bytes:
        """`reply_context` of the event that is answered, when the call goes to that event's chat."""
        return self._context.reply_context

    @property
    def possibly_repeated(self) -> bool:
        """An earlier process may have done this already."""
        return self._context.possibly_repeated

    def time_remaining(self) -> float:
        """Seconds until the caller stops waiting."""
        return self._incoming.time_remaining()


@dataclass(frozen=True, slots=True)
class StreamStep:
    """One step of a streamed reply: the whole text so far."""

    text: str
    is_final: bool
    attachments: Message | None = None


class StreamSteps:
    """The steps of a streamed reply, in order; `async for step in steps`. `opening` says how it begins."""

    def __init__(
        self,
        opening: StreamOpening,
        first: StreamStep,
        requests: AsyncIterator[adapter_message_pb2.StreamReplyRequest],
    ) -> None:
        self.opening = opening
        self._first: StreamStep | None = first
        self._requests = requests

    @classmethod
    async def begin(cls, requests: AsyncIterator[adapter_message_pb2.StreamReplyRequest]) -> StreamSteps:
        """Reads the first request. Raises InvalidArgument without an opening."""
        first = await anext(requests)
        if not first.HasField("opening"):
            raise InvalidArgument("the first request needs an opening", metadata={"field": "opening"})
        return cls(convert.to_plain(first.opening), _step(first), requests)

    async def __aiter__(self) -> AsyncIterator[StreamStep]:
        """Ends after the final step. Raises InvalidArgument when the stream ends without one."""
        if self._first is not None:
            first, self._first = self._first, None
            yield first
            if first.is_final:
                return
        async for request in self._requests:
            step = _step(request)
            yield step
            if step.is_final:
                return
        raise InvalidArgument("the stream ended without a final request", metadata={"field": "is_final"})


def _step(request: adapter_message_pb2.StreamReplyRequest) -> StreamStep:
    attachments = convert.message_to_plain(request.attachments) if request.HasField("attachments") else None
    return StreamStep(request.text, request.is_final, attachments)
