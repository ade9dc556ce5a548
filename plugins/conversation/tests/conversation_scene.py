"""The plugin on a fake kernel, its clock in the test's hand."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from jackfield.v1 import command_pb2, conversation_pb2, model_pb2
from jackfield_conversation.conversation import build
from jackfield_sdk import Chat, Event, Message, Target, User, convert
from jackfield_sdk.testing import FakeKernel, message

pb = conversation_pb2
SERVICE = "/jackfield.v1.Conversation/"
INVOKE = "/jackfield.v1.Commands/Invoke"
SECOND = 1_000_000
ANN = Chat.private("ann")


@dataclass
class Scene:
    """Calls the plugin as others do."""

    kernel: FakeKernel
    now: int = 1_790_000_000 * SECOND
    config: dict[str, Any] = field(default_factory=dict)
    numbers: Any = field(default_factory=itertools.count)

    def clock(self) -> int:
        """Each look is a second later."""
        self.now += SECOND
        return self.now

    @asynccontextmanager
    async def running(self, **options: Any) -> AsyncIterator[Scene]:
        """The plugin runs inside."""
        async with self.kernel.running(build(self.clock, **options), config=self.config):
            yield self

    async def call(
        self, method: str, where: Chat | None = ANN, *, bot: str = "b", key: str = "", **fields: Any
    ) -> Any:
        """One unary call of the service."""
        request = getattr(pb, f"{method}Request")(**fields)
        target = Target(bot=bot, chat=where, plugin="conversation")
        return await self.kernel.call_service(
            SERVICE + method, request, getattr(pb, f"{method}Response"), target=target, key=key
        )

    async def said(
        self, *texts: str, chat: Chat = ANN, bot: str = "b", user: str = ""
    ) -> pb.ConversationRecord:
        """Open the place and append a turn of the user for each text."""
        opened = await self.call("OpenConversation", chat, bot=bot)
        turns = [turn(text, f"t{next(self.numbers)}", user=user) for text in texts]
        await self.call("AppendTurns", chat, bot=bot, conversation_id=opened.conversation.id, turns=turns)
        return opened.conversation

    async def history(self, conversation_id: str, **fields: Any) -> list[str]:
        """The texts of a conversation."""
        found = await self.call("GetHistory", conversation_id=conversation_id, **fields)
        return [text_of(one) for one in found.turns]

    async def command(
        self, text: str, *, chat: Chat = ANN, sender: str = "ann", bot: str = "b", event: Event | None = None
    ) -> Message:
        """What a person is told."""
        name, _, args = text.partition(" ")
        proto = convert.event_to_proto(event or message(text, chat=chat, sender=User(id=sender), bot=bot))
        request = command_pb2.InvokeRequest(name=name, args=args, event=proto, locale="en")
        answer = await self.kernel.call_service(
            INVOKE, request, command_pb2.InvokeResponse, target=Target(plugin="conversation")
        )
        return convert.message_to_plain(answer.reply)


def turn(
    text: str, turn_id: str, *, role: int = model_pb2.MODEL_ROLE_USER, user: str = ""
) -> pb.ConversationTurn:
    """A turn of text."""
    one = pb.ConversationTurn(id=turn_id, user_id=user)
    one.message.role = model_pb2.ModelRole.ValueType(role)
    one.message.content.segments.add().text.text = text
    return one


def text_of(one: pb.ConversationTurn) -> str:
    """The text of a turn."""
    return "".join(segment.text.text for segment in one.message.content.segments)
