"""Events of Lark as common events. Pure; what makes no sense raises InvalidArgument."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from jackfield_sdk import (
    BotInvitedToGroup,
    BotRemovedFromGroup,
    Event,
    Group,
    GroupInfoUpdated,
    GroupMemberJoined,
    GroupMemberLeft,
    InvalidArgument,
    Mention,
    Message,
    MessageDeleted,
    MessageReaction,
    MessageReceived,
    PlatformEvent,
    Quote,
    User,
)

from jackfield_lark.convert.content import content_of
from jackfield_lark.convert.context import Place, ReplyContext, Self
from jackfield_lark.convert.interactions import interaction

IGNORED = ("im.message.message_read_v1",)
MEMBERS = {
    "im.chat.member.user.added_v1": "added",
    "im.chat.member.user.deleted_v1": "deleted",
    "im.chat.member.user.withdrawn_v1": "withdrawn",
}
_FIELDS = ("name", "description", "avatar")


@dataclass(frozen=True)
class Heard:
    """An event to publish, and the occurrence it is about."""

    event: Event
    dedup_key: str


def heard(payload: Mapping[str, Any], me: Self) -> list[Heard]:
    """What an event of schema 2.0 says; nothing for what the bot did itself and for what nobody needs."""
    header, event = payload.get("header"), payload.get("event")
    if not isinstance(header, dict) or not isinstance(event, dict):
        raise InvalidArgument("the event has no header or no body: only schema 2.0 is understood")
    kind, event_id = header.get("event_type"), header.get("event_id")
    if not isinstance(kind, str) or not isinstance(event_id, str) or not kind or not event_id:
        raise InvalidArgument("the event has no type or no id")
    if kind in IGNORED:
        return []
    found = list(_events(kind, event_id, event, me))
    done = []
    for number, one in enumerate(found):
        key = event_id if number == 0 else f"{event_id}.{number}"
        if isinstance(one.payload, MessageReceived):
            key = f"message:{one.payload.message_id}"
        native_id = event_id if number == 0 else f"{event_id}.{number}"
        time = one.time or time_of(header.get("create_time"))
        done.append(Heard(replace(one, platform_event_id=native_id, raw=clean(payload), time=time), key))
    return done


def _events(kind: str, event_id: str, event: Mapping[str, Any], me: Self) -> Iterator[Event]:
    if kind == "im.message.receive_v1":
        message, sender = event.get("message"), event.get("sender")
        if not isinstance(message, dict) or not isinstance(sender, dict):
            raise InvalidArgument("the event holds no message")
        if not me.is_own(_open_id(sender.get("sender_id"))):
            yield received(message, _sender(sender), me)
    elif kind == "im.message.recalled_v1":
        message_id, chat = _word(event, "message_id"), _word(event, "chat_id")
        place = me.places.get(message_id, Place())
        yield Event(payload=MessageDeleted(message_id=message_id), chat=me.chat(chat, place.thread))
    elif kind in ("im.message.reaction.created_v1", "im.message.reaction.deleted_v1"):
        yield from _reaction(event, kind.endswith("created_v1"), me)
    elif kind == "card.action.trigger":
        yield interaction(event, event_id, me)
    elif kind.startswith("im.chat."):
        yield from _chat(kind, event, me)
    else:
        yield _native(kind, event, me)


def received(message: Mapping[str, Any], sender: User | None, me: Self) -> Event:
    """A message with content."""
    message_id, chat = _word(message, "message_id"), _word(message, "chat_id")
    if not message_id or not chat:
        raise InvalidArgument("the message has no id or stands in no chat")
    me.learn(chat, _word(message, "chat_type"))
    thread, kind = _word(message, "thread_id"), _word(message, "message_type")
    me.place(message_id, Place(chat, thread, kind))
    segments = content_of(kind, _word(message, "content"), message.get("mentions"), message_id)
    parent = _word(message, "parent_id")
    content = Message(Quote(message_id=parent), segments) if parent else Message(segments)
    mentioned = any(one.user_id == me.open_id for one in content.all(Mention))
    return Event(
        payload=MessageReceived(message_id=message_id, message=content, mentions_bot=mentioned),
        chat=me.chat(chat, thread),
        sender=sender,
        time=time_of(message.get("create_time")),
        reply_context=ReplyContext(chat, message_id, thread).to_bytes(),
    )


def read_back(item: Mapping[str, Any], me: Self) -> Event:
    """A message as `GET /im/v1/messages/:id` tells it: other names, the same content."""
    body, by = item.get("body"), item.get("sender")
    content = body.get("content") if isinstance(body, dict) else ""
    message = {
        **item,
        "message_type": item.get("msg_type"),
        "content": content if isinstance(content, str) else "",
    }
    sender = None
    if isinstance(by, dict):
        is_bot = by.get("sender_type") == "app"
        own = is_bot and me.is_own(_word(by, "id"))
        sender = User(id=me.open_id if own else _word(by, "id"), is_bot=is_bot)
    return received(message, sender, me)


def _reaction(event: Mapping[str, Any], is_add: bool, me: Self) -> Iterator[Event]:
    by = _open_id(event.get("user_id"))
    if event.get("operator_type") == "app" or me.is_own(by):
        return
    message_id = _word(event, "message_id")
    kind = event.get("reaction_type")
    reaction = _word(kind, "emoji_type") if isinstance(kind, dict) else ""
    # Lark does not say where; the intake has asked before this is called.
    place = me.places.get(message_id, Place())
    yield Event(
        payload=MessageReaction(message_id=message_id, reaction=reaction, is_add=is_add),
        chat=me.chat(place.chat, place.thread) if place.chat else None,
        sender=User(id=by) if by else None,
        time=time_of(event.get("action_time")),
    )


def _chat(kind: str, event: Mapping[str, Any], me: Self) -> Iterator[Event]:
    chat = _word(event, "chat_id")
    if not chat:
        raise InvalidArgument("the event names no chat")
    if (
        kind in MEMBERS
        or kind.startswith("im.chat.member.bot.")
        or kind in ("im.chat.updated_v1", "im.chat.disbanded_v1")
    ):
        me.learn(chat, "group")
    group, where = Group(id=chat, name=_word(event, "name")), me.chat(chat)
    operator = User(id=who) if (who := _open_id(event.get("operator_id"))) else None
    if kind in MEMBERS:
        users = event.get("users")
        for one in users if isinstance(users, list) else ():
            if isinstance(one, dict):
                member = User(id=_open_id(one.get("user_id")), nickname=_word(one, "name"))
                payload: Any = (
                    GroupMemberJoined(group=group, member=member, inviter=operator)
                    if MEMBERS[kind] == "added"
                    else GroupMemberLeft(
                        group=group,
                        member=member,
                        operator=operator,
                        is_kicked=operator is not None and operator.id != member.id,
                    )
                )
                yield Event(payload=payload, chat=where, sender=operator or member)
    elif kind == "im.chat.member.bot.added_v1":
        yield Event(payload=BotInvitedToGroup(group=group, inviter=operator), chat=where, sender=operator)
    elif kind in ("im.chat.member.bot.deleted_v1", "im.chat.disbanded_v1"):
        yield Event(payload=BotRemovedFromGroup(group=group, operator=operator), chat=where, sender=operator)
    elif kind == "im.chat.updated_v1":
        after = event.get("after_change")
        after = after if isinstance(after, dict) else {}
        now = Group(id=chat, name=_word(after, "name"), description=_word(after, "description"))
        changed = tuple(name for name in _FIELDS if name in after)
        info = GroupInfoUpdated(group=now, operator=operator, changed_fields=changed)
        yield Event(payload=info, chat=where, sender=operator)
    else:
        yield _native(kind, event, me)


def _native(kind: str, event: Mapping[str, Any], me: Self) -> Event:
    action = "".join(c if c.isascii() and (c.isalnum() or c == "_") else "_" for c in kind.lower())
    chat = _word(event, "chat_id")
    if chat and "p2p" in kind:
        me.learn(chat, "p2p")
    return Event(
        payload=PlatformEvent(action=action, data=clean(event)), chat=me.chat(chat) if chat else None
    )


def _sender(sender: Mapping[str, Any]) -> User | None:
    user_id = _open_id(sender.get("sender_id"))
    return User(id=user_id, is_bot=sender.get("sender_type") == "app") if user_id else None


def _open_id(ids: Any) -> str:
    return _word(ids, "open_id") if isinstance(ids, dict) else ""


def _word(found: Mapping[str, Any], name: str) -> str:
    value = found.get(name)
    return value if isinstance(value, str) else ""


def time_of(value: Any) -> datetime | None:
    """Milliseconds since 1970, as text."""
    try:
        return datetime.fromtimestamp(int(value) / 1000, UTC)
    except (TypeError, ValueError, OverflowError, OSError):
        return None


def clean(payload: Mapping[str, Any]) -> dict[str, Any]:
    """The native event without what would let a reader act as Lark or as the bot."""
    return {
        name: clean(value) if isinstance(value, dict) else value
        for name, value in payload.items()
        if name not in ("token", "verification_token")
    }
