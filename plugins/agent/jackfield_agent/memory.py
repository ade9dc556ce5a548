"""History through `jackfield.v1.Conversation`; without a provider there is none."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from jackfield.v1 import conversation_pb2, model_pb2
from jackfield_sdk import Conflict, Context, PluginContext, Target
from jackfield_sdk.calling import Caller

from jackfield_agent.catalog import CONVERSATION

R = TypeVar("R")
SERVICE = f"/{CONVERSATION}/"
SECONDS = 10.0
MOST_TURNS = 200
KEEP_TURNS = 20
BATCH_BYTES = 200 * 1024
BATCH_TURNS = 100
LONGEST_TURN = 150 * 1024
# Used where no model says how much it reads.
DEFAULT_CONTEXT = 16_000


@dataclass(frozen=True, slots=True)
class Place:
    """Where people talk, and who keeps what they said; `provider` is empty when nobody does."""

    provider: str
    target: Target
    user_id: str = ""


class Memory:
    """The conversation of one place. Read and written outside the delivery: what it holds needs no second record.

    Turns carry ids made of the delivery's, so that a repeat adds nothing, and does not read itself.
    """

    def __init__(self, plugin: PluginContext, place: Place, delivery_id: str) -> None:
        self._plugin = plugin
        self._place = place
        self._delivery_id = delivery_id
        self._id = ""
        self._numbers = itertools.count()
        self.turns: list[conversation_pb2.ConversationTurn] = []

    async def open(self) -> None:
        """Find the conversation and read what fits."""
        if not self._place.provider:
            return
        opened = await self._call(
            "OpenConversation",
            conversation_pb2.OpenConversationRequest(user_id=self._place.user_id),
            conversation_pb2.OpenConversationResponse,
        )
        self._id = opened.conversation.id
        history = await self._call(
            "GetHistory",
            conversation_pb2.GetHistoryRequest(conversation_id=self._id, max_turns=MOST_TURNS),
            conversation_pb2.GetHistoryResponse,
        )
        own = f"{self._delivery_id}/"
        self.turns = [turn for turn in history.turns if not turn.id.startswith(own)]

    @property
    def messages(self) -> list[model_pb2.ModelMessage]:
        """What was said before."""
        return [turn.message for turn in self.turns]

    def turn(
        self,
        message: model_pb2.ModelMessage,
        usage: model_pb2.ModelUsage | None = None,
        *,
        user_id: str = "",
        message_id: str = "",
    ) -> conversation_pb2.ConversationTurn:
        """A turn of this delivery. Make them in the same order at each attempt."""
        return conversation_pb2.ConversationTurn(
            id=f"{self._delivery_id}/{next(self._numbers)}",
            message=_bounded(message),
            usage=usage,
            user_id=user_id,
            platform_message_id=message_id,
        )

    async def append(self, turns: Sequence[conversation_pb2.ConversationTurn]) -> None:
        """Keep what was said now. Raises what the provider raises; repeating it is harmless."""
        if not self._id:
            return
        for batch in _batches(turns):
            request = conversation_pb2.AppendTurnsRequest(conversation_id=self._id, turns=batch)
            try:
                await self._call("AppendTurns", request, conversation_pb2.AppendTurnsResponse)
            except Conflict:
                # Somebody began a new conversation meanwhile.
                opened = await self._call(
                    "OpenConversation",
                    conversation_pb2.OpenConversationRequest(user_id=self._place.user_id),
                    conversation_pb2.OpenConversationResponse,
                )
                self._id = request.conversation_id = opened.conversation.id
                await self._call("AppendTurns", request, conversation_pb2.AppendTurnsResponse)

    def size(self) -> int:
        """Tokens of the history, estimated."""
        return sum(tokens_of(turn.message) for turn in self.turns)

    def older(self) -> list[conversation_pb2.ConversationTurn]:
        """What a summary may replace: all but the last turns, cut where a user begins."""
        cut = len(self.turns) - KEEP_TURNS
        while cut > 0 and self.turns[cut].message.role != model_pb2.MODEL_ROLE_USER:
            cut -= 1
        return self.turns[:cut] if cut > 0 else []

    async def compress(self, ctx: Context, summary: str) -> None:
        """Go on in a new conversation that begins with a summary. Not repeatable, so it is a call of the delivery."""
        older = self.older()
        told = model_pb2.ModelMessage(role=model_pb2.MODEL_ROLE_SYSTEM)
        told.content.segments.add().text.text = f"Summary of the conversation so far: {summary}"
        first = conversation_pb2.ConversationTurn(id=f"{self._delivery_id}.summary", message=told)
        kept = self.turns[len(older) :]
        turns = [first]
        for number, turn in enumerate(kept):
            copy = conversation_pb2.ConversationTurn()
            copy.CopyFrom(turn)
            copy.id = f"{self._delivery_id}.kept/{number}"
            turns.append(copy)
        request = conversation_pb2.ResetConversationRequest(
            user_id=self._place.user_id, reason=conversation_pb2.END_REASON_COMPRESSED, turns=turns
        )
        response = await ctx.call(
            SERVICE + "ResetConversation",
            request,
            conversation_pb2.ResetConversationResponse,
            target=self._place.target,
            key="compress/reset",
        )
        self._id = response.conversation.id
        self.turns = turns

    def cut_to(self, tokens: int) -> None:
        """Leave out the oldest turns until the rest fits."""
        size = self.size()
        start = 0
        while start < len(self.turns) and size > tokens:
            size -= tokens_of(self.turns[start].message)
            start += 1
        while start < len(self.turns) and self.turns[start].message.role == model_pb2.MODEL_ROLE_TOOL:
            start += 1
        self.turns = self.turns[start:]

    async def _call(self, method: str, request: object, response_type: type[R]) -> R:
        return await call(self._plugin, self._place, method, request, response_type)


async def call(caller: Caller, place: Place, method: str, request: object, response_type: type[R]) -> R:
    """A method of the memory."""
    return await caller.call(SERVICE + method, request, response_type, target=place.target, timeout=SECONDS)


def tokens_of(message: model_pb2.ModelMessage) -> int:
    """A rough count: a token is about four bytes of UTF-8; a picture about a thousand."""
    size = sum(len(call.arguments_json.encode()) + len(call.name) for call in message.tool_calls)
    media = 0
    for segment in message.content.segments:
        if segment.HasField("text"):
            size += len(segment.text.text.encode())
        else:
            media += 1
    return size // 4 + media * 1000 + 4


def _bounded(message: model_pb2.ModelMessage) -> model_pb2.ModelMessage:
    if message.ByteSize() <= LONGEST_TURN:
        return message
    kept = model_pb2.ModelMessage()
    kept.CopyFrom(message)
    # What the provider signed is worth nothing in pieces, and a model can do without it.
    kept.ClearField("provider_state")
    kept.reasoning = kept.reasoning[: LONGEST_TURN // 8]
    longest = LONGEST_TURN // 8
    for segment in kept.content.segments:
        if segment.HasField("text") and len(segment.text.text) > longest:
            segment.text.text = f"{segment.text.text[:longest]}\n[the rest was not kept]"
    return kept


def _batches(
    turns: Iterable[conversation_pb2.ConversationTurn],
) -> Iterable[list[conversation_pb2.ConversationTurn]]:
    batch: list[conversation_pb2.ConversationTurn] = []
    size = 0
    for turn in turns:
        if batch and (len(batch) == BATCH_TURNS or size + turn.ByteSize() > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(turn)
        size += turn.ByteSize()
    if batch:
        yield batch
