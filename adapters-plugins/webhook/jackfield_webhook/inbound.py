"""A request's JSON as an event. Pure: raises InvalidArgument that names the field for whatever does not fit.

`{"type": "message", "chat": {"type": "private", "id": "c1"}, "sender": {"id": "u1", "name": "Ann"}, "text": "hello"}`; instead of `text`
a list `segments` in the JSON form of `jackfield.v1.Segment`: `[{"image": {"media": {"url": "https://..."}}}]`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from google.protobuf.json_format import ParseDict, ParseError
from jackfield.v1 import message_pb2
from jackfield_sdk import (
    Chat,
    ChatType,
    Event,
    InteractionKind,
    InteractionReceived,
    InvalidArgument,
    Message,
    MessageDeleted,
    MessageEdited,
    MessageReaction,
    MessageReceived,
    User,
    convert,
)

LONGEST_ID = 256
_CHATS = {"private": ChatType.PRIVATE, "group": ChatType.GROUP, "channel": ChatType.CHANNEL}
_KINDS = {"button": 1, "select": 2, "form": 3, "command": 4}
_TAKEN = ("text", "mention", "mention_all", "quote", "image", "voice", "video", "file", "location")
_MEDIA = ("image", "voice", "video", "file")


def event_of(content: Any, key: str) -> Event:
    """The event. `key` is the request's idempotency key, which names the message where the caller gives no id."""
    body = _table(content, "the body")
    chat = _chat(body)
    sender = _sender(body, chat)
    return Event(
        payload=_payload(body, _text(body, "id", optional=True) or key),
        chat=chat,
        sender=sender,
        platform_event_id=key,
        raw=dict(body),
    )


def _payload(body: Mapping[str, Any], message_id: str) -> Any:
    kind = body.get("type", "message")
    if kind == "message":
        mentions = body.get("mentions_bot", False)
        if not isinstance(mentions, bool):
            raise _wrong("mentions_bot", "true or false")
        return MessageReceived(message_id=message_id, message=_message(body), mentions_bot=mentions)
    if kind == "edit":
        return MessageEdited(message_id=_text(body, "message_id"), message=_message(body))
    if kind == "delete":
        return MessageDeleted(message_id=_text(body, "message_id"))
    if kind == "reaction":
        removed = body.get("removed", False)
        if not isinstance(removed, bool):
            raise _wrong("removed", "true or false")
        return MessageReaction(
            message_id=_text(body, "message_id"), reaction=_text(body, "reaction"), is_add=not removed
        )
    if kind == "interaction":
        values = body.get("values", {})
        if body.get("kind", "button") not in _KINDS:
            raise _wrong("kind", f"one of {', '.join(_KINDS)}")
        return InteractionReceived(
            id=message_id,
            kind=InteractionKind(_KINDS[body.get("kind", "button")]),
            action_id=_text(body, "action_id"),
            controls_id=_text(body, "controls_id", optional=True),
            values=dict(_table(values, "values")),
            message_id=_text(body, "message_id", optional=True),
        )
    raise _wrong("type", "message, edit, delete, reaction or interaction")


def _message(body: Mapping[str, Any]) -> Message:
    if "segments" not in body:
        return Message(_text(body, "text", longest=200_000))
    if "text" in body:
        raise _wrong("text", "text or segments, not both")
    proto = message_pb2.Message()
    try:
        ParseDict({"segments": body["segments"]}, proto, max_recursion_depth=20)
    except (ParseError, RecursionError, TypeError, ValueError) as error:
        raise InvalidArgument(
            f"segments: {str(error)[:200]}",
            remedy="See jackfield.v1.Message.",
            metadata={"field": "segments"},
        ) from error
    if not proto.segments:
        raise _wrong("segments", "at least one segment")
    for segment in proto.segments:
        _check(segment)
    return convert.message_to_plain(proto)


def _check(segment: message_pb2.Segment) -> None:
    """Handles of the kernel and of other platforms are nothing that a caller may name. Raises InvalidArgument."""
    name = segment.WhichOneof("content") or "?"
    if name not in _TAKEN:
        raise _wrong(f"segments.{name}", f"one of {', '.join(_TAKEN)}")
    if name in _MEDIA and not getattr(segment, name).media.url.startswith(("https://", "http://")):
        raise _wrong(f"segments.{name}.media.url", "a http or https address")
    if name == "video" and segment.video.HasField("cover"):
        raise _wrong("segments.video.cover", "nothing")
    if name == "quote" and segment.quote.HasField("origin"):
        raise _wrong("segments.quote.origin", "nothing")


def _chat(body: Mapping[str, Any]) -> Chat:
    chat = _table(body.get("chat"), "chat")
    kind = chat.get("type", "private")
    if kind not in _CHATS:
        raise _wrong("chat.type", "private, group or channel")
    return Chat(
        type=_CHATS[kind],
        id=_text(chat, "id", "chat."),
        thread_id=_text(chat, "thread_id", "chat.", optional=True),
        name=_text(chat, "name", "chat.", optional=True),
    )


def _sender(body: Mapping[str, Any], chat: Chat) -> User:
    if "sender" not in body and chat.type is ChatType.PRIVATE:
        return User(id=chat.id)
    sender = _table(body.get("sender"), "sender")
    return User(id=_text(sender, "id", "sender."), nickname=_text(sender, "name", "sender.", optional=True))


def _text(
    table: Mapping[str, Any], name: str, at: str = "", *, optional: bool = False, longest: int = LONGEST_ID
) -> str:
    value = table.get(name)
    if value is None and optional:
        return ""
    if not isinstance(value, str) or not value or len(value) > longest:
        raise _wrong(at + name, f"text of 1 to {longest} characters")
    if longest == LONGEST_ID and not value.isprintable():
        raise _wrong(at + name, "text without control characters")
    return value


def _table(value: Any, name: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise _wrong(name, "an object")
    return value


def _wrong(field: str, expected: str) -> InvalidArgument:
    return InvalidArgument(f"{field}: expected {expected}", metadata={"field": field})
