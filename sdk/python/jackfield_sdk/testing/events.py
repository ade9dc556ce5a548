"""Events to deliver in tests."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

from jackfield_sdk.entity import Chat, User
from jackfield_sdk.event import Event
from jackfield_sdk.message import Message
from jackfield_sdk.payload import InteractionKind, InteractionReceived, MessageReceived, Payload

BOT = "bot"
PLATFORM = "test"


def message(
    content: str | Message,
    *,
    bot: str = BOT,
    chat: Chat | None = None,
    sender: User | None = None,
    message_id: str = "",
    mentions_bot: bool = False,
    reply_context: bytes = b"context",
) -> Event:
    """A received message; without `chat` a private one."""
    sender = sender or User(id="7", nickname="Ann")
    payload = MessageReceived(
        message_id=message_id or uuid.uuid4().hex,
        message=content if isinstance(content, Message) else Message(content),
        mentions_bot=mentions_bot,
    )
    return event("message.received", payload, bot=bot, chat=chat, sender=sender, reply_context=reply_context)


def interaction(
    action_id: str,
    *,
    bot: str = BOT,
    chat: Chat | None = None,
    sender: User | None = None,
    values: dict[str, Any] | None = None,
    controls_id: str = "",
) -> Event:
    """A pressed button."""
    payload = InteractionReceived(
        id=uuid.uuid4().hex,
        kind=InteractionKind.BUTTON,
        action_id=action_id,
        controls_id=controls_id,
        values=values,
    )
    return event("interaction.received", payload, bot=bot, chat=chat, sender=sender)


def event(
    type: str,
    payload: Payload | None = None,
    *,
    bot: str = BOT,
    chat: Chat | None = None,
    sender: User | None = None,
    reply_context: bytes = b"",
) -> Event:
    """Any event, stamped as the kernel would stamp it."""
    sender = sender or User(id="7", nickname="Ann")
    return Event(
        id=uuid.uuid4().hex,
        type=type,
        time=datetime.now(UTC),
        bot=bot,
        platform=PLATFORM,
        chat=chat or Chat.private(sender.id),
        sender=sender,
        payload=payload,
        reply_context=reply_context,
    )
