"""Native events to events of the contract. Never raises: what has no common form is a platform event."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from jackfield_sdk import Chat, ChatType, Event, MessageReceived, PlatformEvent

from jackfield_onebot.convert.context import ReplyContext, plain_chat
from jackfield_onebot.convert.entities import sender_of, table
from jackfield_onebot.convert.incoming import mentions, message_of
from jackfield_onebot.convert.notices import notice_of
from jackfield_onebot.convert.parts import Parts
from jackfield_onebot.convert.requests import request_of
from jackfield_onebot.convert.values import id_of, shallow, text_of, time_of

Native = Mapping[str, Any]
_NAME = re.compile(r"[^a-z0-9]+")


def event_of(native: Native, self_id: str, raw: bytes | None = None) -> Event | None:
    """The event, or None for what must not be processed: messages of the bot itself."""
    kind = text_of(native.get("post_type"))
    if kind in ("message", "message_sent"):
        if kind == "message_sent" or id_of(native.get("user_id")) == self_id:
            return None
        parts: Parts | None = _message(native, self_id)
    elif kind == "notice":
        parts = notice_of(native, self_id)
    elif kind == "request":
        parts = request_of(native)
    elif kind == "meta_event":
        parts = _meta(native)
    else:
        parts = None
    if parts is None:
        parts = _other(native, kind)
    context = parts.chat and ReplyContext(self_id, plain_chat(parts.chat), parts.temporary_group).encode()
    return Event(
        payload=parts.payload,
        chat=parts.chat,
        sender=parts.sender,
        time=time_of(native.get("time")),
        raw_json=raw,
        reply_context=context or b"",
    )


def message_event(native: Native, self_id: str) -> Event:
    """A `message.received` event of any message object, also the bot's own."""
    parts = _message(native, self_id)
    context = parts.chat and ReplyContext(self_id, plain_chat(parts.chat), parts.temporary_group).encode()
    return Event(
        payload=parts.payload,
        chat=parts.chat,
        sender=parts.sender,
        time=time_of(native.get("time")),
        reply_context=context or b"",
    )


def _message(native: Native, self_id: str) -> Parts:
    sender = sender_of(table(native.get("sender")), id_of(native.get("user_id")))
    anonymous = table(native.get("anonymous"))
    if anonymous:
        sender = sender_of({"nickname": anonymous.get("name")}, id_of(native.get("user_id")))
    chain = message_of(native.get("message", native.get("raw_message")))
    group_id, temporary = id_of(native.get("group_id")), ""
    if native.get("message_type") == "private" or not group_id:
        temporary = group_id or id_of(table(native.get("sender")).get("group_id"))
        temporary = temporary if native.get("sub_type") == "group" else ""
        # A message of the bot itself, read back, stands in the chat of its receiver.
        other = id_of(native.get("target_id")) if sender.id == self_id else ""
        chat = Chat(ChatType.PRIVATE, other or sender.id)
    else:
        chat = Chat(ChatType.GROUP, group_id, name=text_of(native.get("group_name")))
    return Parts(
        MessageReceived(
            message_id=text_of(native.get("message_id")),
            message=chain,
            mentions_bot=chat.type is ChatType.PRIVATE or mentions(chain, self_id),
        ),
        chat,
        sender,
        temporary,
    )


def _meta(native: Native) -> Parts | None:
    kind = text_of(native.get("meta_event_type"))
    if kind in ("lifecycle", "heartbeat"):
        return Parts(PlatformEvent(kind, shallow(native)))
    return None


def _other(native: Native, kind: str) -> Parts:
    """`<post_type>_<subtype>`, with the chat where one is named."""
    detail = text_of(native.get(f"{kind}_type")) or text_of(native.get("sub_type"))
    name = _NAME.sub("_", f"{kind}_{detail}".lower()).strip("_")[:64] or "unknown"
    if not name[0].isalpha():
        name = f"event_{name}"
    return Parts.platform(name, native)
