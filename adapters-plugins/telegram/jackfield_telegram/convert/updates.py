"""Updates to events. One update may be several events (reactions, members) or none (the bot's own messages)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from jackfield_sdk import (
    Event,
    FeedbackReceived,
    FeedbackType,
    GroupInfoUpdated,
    InteractionReceived,
    Message,
    MessageEdited,
    MessageReaction,
    MessageReceived,
    Payload,
    PlatformEvent,
)

from jackfield_telegram.convert.callback import DISLIKE, LIKE, pressed_of
from jackfield_telegram.convert.context import ReplyContext
from jackfield_telegram.convert.incoming import mentions, message_of, service_of
from jackfield_telegram.convert.members import member_change, own_change, service_changes
from jackfield_telegram.convert.people import Me, chat_of, group_of, sender_of, user_of
from jackfield_telegram.convert.values import shallow, table, tables, text_of, time_of

# All that can be asked for: the platform leaves some kinds out unless they are named.
KINDS: Sequence[str] = (
    "message", "edited_message", "channel_post", "edited_channel_post", "business_connection",
    "business_message", "edited_business_message", "deleted_business_messages", "guest_message",
    "message_reaction", "message_reaction_count", "inline_query", "chosen_inline_result", "callback_query",
    "shipping_query", "pre_checkout_query", "purchased_paid_media", "poll", "poll_answer", "my_chat_member",
    "chat_member", "chat_join_request", "chat_boost", "removed_chat_boost", "managed_bot",
)  # fmt: skip
_CHANGED = {"new_chat_title": "name", "new_chat_photo": "avatar_url", "delete_chat_photo": "avatar_url"}
_RATED = {LIKE: FeedbackType.LIKE, DISLIKE: FeedbackType.DISLIKE}


@dataclass(frozen=True, slots=True)
class Occurrence:
    """An event and the key under which its repeats are known."""

    event: Event
    key: str = ""


def id_of(update: Any) -> int | None:
    """The update's id; None for what is no update."""
    value = table(update).get("update_id")
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def kind_of(update: Mapping[str, Any]) -> str:
    """Which kind of update; empty for one that holds nothing."""
    return next((key for key in update if key != "update_id"), "")


def occurrences(update: Mapping[str, Any], me: Me, stored: str = "") -> list[Occurrence]:
    """The events of one update. `stored` is what was kept behind a pressed button."""
    kind = kind_of(update)
    native = table(update.get(kind))
    read = _READERS.get(kind, _platform)
    found = read(kind, native, me, stored)
    raw = json.dumps(update, ensure_ascii=False, separators=(",", ":")).encode()
    return _keyed(update, me, (replace(one, event=replace(one.event, raw_json=raw)) for one in found))


def album(updates: Sequence[Mapping[str, Any]], me: Me) -> list[Occurrence]:
    """Several messages that the platform shows as one: one event with all that is in them.

    The key names first and last: should more of the album come with a redelivery, the whole is told again rather than lost.
    """
    kind = kind_of(updates[0])
    messages = [table(update.get(kind)) for update in updates]
    found = _READERS[kind](kind, messages[0], me, "")
    if not found or not isinstance(payload := found[0].event.payload, MessageReceived):
        return []
    rest = Message(*(message_of({**m, "reply_to_message": None}, me) for m in messages[1:]))
    raw = json.dumps({"album": list(updates)}, ensure_ascii=False, separators=(",", ":")).encode()
    payload = replace(payload, message=payload.message + rest)
    event = replace(found[0].event, payload=payload, raw_json=raw)
    return _keyed(updates[0], me, [Occurrence(event, f"{me.id}:{id_of(updates[0])}-{id_of(updates[-1])}")])


def unreadable(update: Mapping[str, Any], me: Me, why: str) -> list[Occurrence]:
    """An update that could not become an event of its own kind: told rather than lost."""
    data = {"update_id": id_of(update), "kind": kind_of(update), "why": why[:300]}
    try:
        raw = json.dumps(update, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        raw = None
    return _keyed(update, me, [Occurrence(Event(payload=PlatformEvent("unreadable", data), raw_json=raw))])


def received(message: Mapping[str, Any], me: Me) -> Event:
    """A message as `message.received`, whoever wrote it."""
    chain = message_of(message, me)
    chat = chat_of(message.get("chat"), message)
    message_id = text_of(message.get("message_id"))
    return Event(
        payload=MessageReceived(message_id, chain, mentions(message, chain, me)),
        chat=chat,
        sender=sender_of(message),
        time=time_of(message.get("date")),
        reply_context=ReplyContext(message_id).encode(),
    )


def _keyed(update: Mapping[str, Any], me: Me, found: Iterable[Occurrence]) -> list[Occurrence]:
    key = f"{me.id}:{id_of(update)}"
    return [
        replace(
            one,
            key=one.key or (f"{key}.{number}" if number else key),
            event=replace(one.event, platform_event_id=str(id_of(update))),
        )
        for number, one in enumerate(found)
    ]


def _own(message: Mapping[str, Any], me: Me) -> bool:
    return text_of(table(message.get("from")).get("id")) == me.id


def _message(kind: str, message: Mapping[str, Any], me: Me, stored: str) -> list[Occurrence]:
    service = service_of(message)
    if service:
        return _service(service, message, me)
    if _own(message, me):
        return []
    return [Occurrence(received(message, me))]


def _service(service: str, message: Mapping[str, Any], me: Me) -> list[Occurrence]:
    chat, sender = chat_of(message.get("chat"), message), sender_of(message)

    def event(payload: Payload, key: str = "") -> Occurrence:
        return Occurrence(
            Event(payload=payload, chat=chat, sender=sender, time=time_of(message.get("date"))), key
        )

    if service in ("new_chat_members", "left_chat_member"):
        return [event(payload, key) for payload, key in service_changes(message, me)]
    if service in _CHANGED:
        return [event(GroupInfoUpdated(group_of(message.get("chat")), sender, (_CHANGED[service],)))]
    return [event(PlatformEvent(service, shallow(message)))]


def _edited(kind: str, message: Mapping[str, Any], me: Me, stored: str) -> list[Occurrence]:
    if _own(message, me):
        return []
    event = received(message, me)
    edited = MessageEdited(event.message_id, event.message, text_of(message.get("edit_date")))
    time = time_of(message.get("edit_date"))
    return [Occurrence(replace(event, payload=edited, time=time or event.time))]


def _reaction(kind: str, native: Mapping[str, Any], me: Me, stored: str) -> list[Occurrence]:
    old, new = _reactions(native.get("old_reaction")), _reactions(native.get("new_reaction"))
    message_id = text_of(native.get("message_id"))
    sender = user_of(native.get("user")) or sender_of({"sender_chat": native.get("actor_chat")})
    changes = [(reaction, False) for reaction in old if reaction not in new]
    changes += [(reaction, True) for reaction in new if reaction not in old]
    return [
        Occurrence(
            Event(
                payload=MessageReaction(message_id, reaction, is_add),
                chat=chat_of(native.get("chat")),
                sender=sender,
                time=time_of(native.get("date")),
                reply_context=ReplyContext(message_id).encode(),
            )
        )
        for reaction, is_add in changes
    ]


def _reactions(native: Any) -> list[str]:
    """Emoji as themselves, custom ones by id, paid ones as `paid`."""
    names = [
        text_of(r.get("emoji")) or text_of(r.get("custom_emoji_id")) or text_of(r.get("type"))
        for r in tables(native)
    ]
    return [name for name in names if name]


def _pressed(kind: str, query: Mapping[str, Any], me: Me, stored: str) -> list[Occurrence]:
    message = table(query.get("message"))
    data = text_of(query.get("data"))
    if not data or not message:
        # Games and messages that were sent inline.
        return _platform(kind, query, me, stored)
    query_id, message_id = text_of(query.get("id")), text_of(message.get("message_id"))
    pressed = pressed_of(data, stored)
    payload: Payload
    if pressed.action_id in _RATED:
        payload = FeedbackReceived(message_id, _RATED[pressed.action_id], message_id=message_id)
    else:
        payload = InteractionReceived(
            query_id, pressed.kind, pressed.action_id, pressed.controls_id, pressed.values, message_id
        )
    event = Event(
        payload=payload,
        chat=chat_of(message.get("chat"), message),
        sender=user_of(query.get("from")),
        reply_context=ReplyContext(message_id, query_id).encode(),
    )
    return [Occurrence(event)]


def _member(kind: str, native: Mapping[str, Any], me: Me, stored: str) -> list[Occurrence]:
    payload, key = (own_change(native), "") if kind == "my_chat_member" else member_change(native)
    if payload is None:
        return _platform(kind + "_updated", native, me, stored)
    event = Event(
        payload=payload,
        chat=chat_of(native.get("chat")),
        sender=user_of(native.get("from")),
        time=time_of(native.get("date")),
    )
    return [Occurrence(event, key)]


def _platform(kind: str, native: Mapping[str, Any], me: Me, stored: str) -> list[Occurrence]:
    """A native event without a common type."""
    message = table(native.get("message"))
    event = Event(
        payload=PlatformEvent(kind, shallow(native)),
        chat=chat_of(native.get("chat"), native) or chat_of(message.get("chat"), message),
        sender=user_of(native.get("from")) or user_of(native.get("user")),
        time=time_of(native.get("date")),
    )
    return [Occurrence(event)] if kind else []


_READERS: Mapping[str, Callable[[str, Mapping[str, Any], Me, str], list[Occurrence]]] = {
    "message": _message,
    "channel_post": _message,
    "edited_message": _edited,
    "edited_channel_post": _edited,
    "message_reaction": _reaction,
    "callback_query": _pressed,
    "my_chat_member": _member,
    "chat_member": _member,
}
