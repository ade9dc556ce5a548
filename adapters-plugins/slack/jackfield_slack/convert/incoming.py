"""Events of Slack as common events. Pure; what makes no sense raises InvalidArgument."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from jackfield_sdk import (
    BotInvitedToGroup,
    BotRemovedFromGroup,
    Chat,
    ChatType,
    Event,
    Group,
    GroupInfoUpdated,
    GroupMemberJoined,
    GroupMemberLeft,
    InvalidArgument,
    Mention,
    Message,
    MessageDeleted,
    MessageEdited,
    MessageReaction,
    MessageReceived,
    PlatformEvent,
    User,
)

from jackfield_slack.convert.context import ReplyContext
from jackfield_slack.convert.files import segments_of
from jackfield_slack.convert.mrkdwn import read

_TYPES = {
    "im": ChatType.PRIVATE,
    "mpim": ChatType.GROUP,
    "channel": ChatType.CHANNEL,
    "group": ChatType.CHANNEL,
}
CONTENT = ("", "file_share", "thread_broadcast", "me_message", "bot_message")
_INFO = {"channel_name": "name", "channel_topic": "description", "channel_purpose": "description"}
_INFO |= {name.replace("channel", "group"): value for name, value in _INFO.items()}
MOST_CHANNELS = 10_000


@dataclass
class Self:
    """Who the bot is, and which kind of conversation each channel was when it was last heard."""

    user_id: str
    bot_id: str
    team_id: str
    kinds: dict[str, ChatType] = field(default_factory=dict)

    def learn(self, channel: str, channel_type: str) -> None:
        """Remember what only some events say."""
        if channel_type in _TYPES:
            if len(self.kinds) >= MOST_CHANNELS and channel not in self.kinds:
                self.kinds.clear()
            self.kinds[channel] = _TYPES[channel_type]

    def chat(self, channel: str, thread_ts: str = "") -> Chat:
        """A channel as a conversation; by its letter where nothing told its kind."""
        kind = self.kinds.get(channel)
        if kind is None:
            kind = {"D": ChatType.PRIVATE}.get(channel[:1], ChatType.CHANNEL)
        parent = "" if kind is ChatType.PRIVATE else self.team_id
        return Chat(type=kind, id=channel, thread_id=thread_ts, parent_id=parent)

    def is_own(self, event: Mapping[str, Any]) -> bool:
        """What the bot itself did."""
        return bool(
            (self.bot_id and event.get("bot_id") == self.bot_id)
            or (self.user_id and event.get("user") == self.user_id)
        )


@dataclass(frozen=True)
class Heard:
    """An event to publish, and the occurrence it is about."""

    event: Event
    dedup_key: str


def heard(payload: Mapping[str, Any], me: Self) -> Heard | None:
    """What an `event_callback` says; None for what the bot did itself and for what nobody needs."""
    event = payload.get("event")
    if not isinstance(event, dict) or not isinstance(event.get("type"), str):
        raise InvalidArgument("the envelope holds no event")
    event_id = str(payload.get("event_id") or "")
    found = _event(event, me)
    if found is None:
        return None
    key = event_id
    content = found.payload
    if isinstance(content, MessageReceived):
        # A mention comes as message and as app_mention, under two event ids.
        key = f"message:{event.get('channel')}:{content.message_id}"
    if not key:
        raise InvalidArgument("the event has no id")
    changes: dict[str, Any] = {"platform_event_id": event_id, "raw": clean(payload)}
    time = _time(str(event.get("event_ts") or "")) or _seconds(payload.get("event_time"))
    if found.time is None and time is not None:
        changes["time"] = time
    return Heard(replace(found, **changes), key)


def _event(event: dict[str, Any], me: Self) -> Event | None:
    kind = str(event["type"])
    channel = _channel(event)
    me.learn(channel, str(event.get("channel_type") or ""))
    if kind in ("message", "app_mention"):
        return _message(event, channel, me)
    if kind in ("reaction_added", "reaction_removed"):
        item = event.get("item") if isinstance(event.get("item"), dict) else {}
        if me.is_own(event) or not isinstance(item, dict) or item.get("type") != "message":
            return None
        reaction = MessageReaction(
            message_id=str(item.get("ts", "")),
            reaction=str(event.get("reaction", "")),
            is_add=kind == "reaction_added",
        )
        return Event(payload=reaction, chat=me.chat(str(item.get("channel", ""))), sender=_user(event))
    if kind in ("member_joined_channel", "member_left_channel"):
        return _member(event, kind, channel, me)
    if kind in ("channel_left", "group_left"):
        return Event(payload=BotRemovedFromGroup(group=Group(id=channel)), chat=me.chat(channel))
    if kind in ("channel_rename", "group_rename"):
        named = event.get("channel") if isinstance(event.get("channel"), dict) else {}
        name = str(named.get("name", "")) if isinstance(named, dict) else ""
        info = GroupInfoUpdated(group=Group(id=channel, name=name), changed_fields=("name",))
        return Event(payload=info, chat=me.chat(channel))
    chat = me.chat(channel) if channel else None
    return Event(
        payload=PlatformEvent(action=_action(kind), data=clean(event)), chat=chat, sender=_user(event)
    )


def _member(event: dict[str, Any], kind: str, channel: str, me: Self) -> Event:
    group, user = Group(id=channel), User(id=str(event.get("user", "")))
    inviter = User(id=str(event["inviter"])) if event.get("inviter") else None
    if user.id == me.user_id:
        payload: Any = (
            BotInvitedToGroup(group=group, inviter=inviter)
            if kind == "member_joined_channel"
            else BotRemovedFromGroup(group=group)
        )
    elif kind == "member_joined_channel":
        payload = GroupMemberJoined(group=group, member=user, inviter=inviter)
    else:
        payload = GroupMemberLeft(group=group, member=user)
    return Event(payload=payload, chat=me.chat(channel), sender=user)


def _message(event: dict[str, Any], channel: str, me: Self) -> Event | None:
    subtype = str(event.get("subtype") or "")
    if not channel:
        raise InvalidArgument("the message stands in no channel")
    if subtype == "message_changed":
        return _edited(event, channel, me)
    if subtype == "message_deleted":
        before = event.get("previous_message")
        if isinstance(before, dict) and me.is_own(before):
            return None
        return Event(
            payload=MessageDeleted(message_id=str(event.get("deleted_ts", ""))),
            chat=me.chat(channel, _thread(before) if isinstance(before, dict) else ""),
        )
    if me.is_own(event):
        return None
    if subtype in _INFO:
        info = GroupInfoUpdated(
            group=Group(id=channel), operator=_user(event), changed_fields=(_INFO[subtype],)
        )
        return Event(payload=info, chat=me.chat(channel), sender=_user(event))
    if subtype in ("channel_join", "channel_leave", "group_join", "group_leave"):
        # Told by member_joined_channel and member_left_channel.
        return None
    if subtype not in CONTENT:
        action = f"message_{_action(subtype)}"
        return Event(
            payload=PlatformEvent(action=action, data=clean(event)),
            chat=me.chat(channel),
            sender=_user(event),
        )
    return received(event, channel, me)


def received(event: Mapping[str, Any], channel: str, me: Self) -> Event:
    """A message with content, also one that was read back."""
    ts = str(event.get("ts") or "")
    if not ts:
        raise InvalidArgument("the message has no ts")
    message = content_of(event)
    thread = _thread(event)
    mentions = (
        any(part.user_id == me.user_id for part in message.all(Mention)) or event.get("type") == "app_mention"
    )
    return Event(
        payload=MessageReceived(message_id=ts, message=message, mentions_bot=mentions),
        chat=me.chat(channel, thread),
        sender=_user(event),
        time=_time(ts),
        reply_context=ReplyContext(channel, thread, ts).to_bytes(),
    )


def _edited(event: dict[str, Any], channel: str, me: Self) -> Event | None:
    now, before = event.get("message"), event.get("previous_message")
    if not isinstance(now, dict):
        raise InvalidArgument("the edit holds no message")
    same = (
        isinstance(before, dict)
        and before.get("text") == now.get("text")
        and before.get("files") == now.get("files")
    )
    if me.is_own(now) or (same and now.get("edited") == (before or {}).get("edited")):
        # The bot's own edits, and previews of links.
        return None
    stamp = now.get("edited")
    edited = MessageEdited(
        message_id=str(now.get("ts", "")),
        message=content_of(now),
        edit_stamp=str(stamp.get("ts", "")) if isinstance(stamp, dict) else str(event.get("ts", "")),
    )
    return Event(payload=edited, chat=me.chat(channel, _thread(now)), sender=_user(now))


def content_of(event: Mapping[str, Any]) -> Message:
    """Text and files."""
    text = event.get("text")
    files = event.get("files")
    parts = [*read(text if isinstance(text, str) else "")]
    for one in files if isinstance(files, list) else ():
        if isinstance(one, dict):
            parts.extend(segments_of(one))
    return Message(*parts)


def _thread(event: Mapping[str, Any]) -> str:
    """The thread it stands in; the message that began a thread stands outside."""
    thread = str(event.get("thread_ts") or "")
    return "" if thread == event.get("ts") else thread


def _channel(event: Mapping[str, Any]) -> str:
    channel = event.get("channel")
    if isinstance(channel, dict):
        channel = channel.get("id")
    return channel if isinstance(channel, str) else ""


def _user(event: Mapping[str, Any]) -> User | None:
    user, bot_id = event.get("user"), event.get("bot_id")
    if isinstance(user, dict):
        user = user.get("id")
    profile = event.get("user_profile") if isinstance(event.get("user_profile"), dict) else {}
    name = str(
        (profile or {}).get("display_name") or (profile or {}).get("real_name") or event.get("username") or ""
    )
    if isinstance(user, str) and user:
        return User(id=user, nickname=name, is_bot=bool(bot_id))
    return User(id=str(bot_id), nickname=name, is_bot=True) if bot_id else None


def _action(name: str) -> str:
    return "".join(
        char if char.isascii() and (char.isalnum() or char == "_") else "_" for char in name.lower()
    )


def _time(ts: str) -> datetime | None:
    try:
        return datetime.fromtimestamp(float(ts), UTC) if ts else None
    except (ValueError, OverflowError, OSError):
        return None


def _seconds(value: Any) -> datetime | None:
    return _time(str(value)) if isinstance(value, int | float) and not isinstance(value, bool) else None


def clean(payload: Mapping[str, Any]) -> dict[str, Any]:
    """The native update without what would let a reader act as Slack or as the bot."""
    return {
        name: clean(value) if isinstance(value, dict) else value
        for name, value in payload.items()
        if name not in ("token", "response_url", "response_urls", "verification_token", "authorizations")
    }
