"""Frames of the gateway as events. Everything that no common type takes is an event of the platform."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from jackfield_sdk import (
    BotInvitedToGroup,
    BotMuted,
    BotRemovedFromGroup,
    Chat,
    ChatType,
    Event,
    Group,
    GroupInfoUpdated,
    GroupMemberBanned,
    GroupMemberJoined,
    GroupMemberLeft,
    GroupMemberUnbanned,
    MessageDeleted,
    MessageEdited,
    MessageReaction,
    MessageReceived,
    Payload,
    PlatformEvent,
    Restriction,
)

from jackfield_discord.convert.context import ReplyContext
from jackfield_discord.convert.incoming import is_written, mentions, message_of
from jackfield_discord.convert.interactions import interaction_event
from jackfield_discord.convert.people import group_of, user_of
from jackfield_discord.convert.values import snowflake_time, table, text_of, time_of

Native = Mapping[str, Any]
# Begins the frames of events that the adapter made itself.
OWN = "JACKFIELD_"


@dataclass(frozen=True, slots=True)
class Setting:
    """Where a frame was heard: the bot's account, the chat, and the commands that others answer as text."""

    me: str
    chat: Chat | None = None
    commands: frozenset[str] = frozenset()


def event_of(kind: str, native: Native, setting: Setting) -> Event | None:
    """The event of a frame; None for what the bot did itself."""
    convert = _EVENTS.get(kind)
    if convert is not None:
        return convert(native, setting)
    if kind in PLATFORM_EVENTS:
        return platform_event(kind.lower(), native, setting)
    if kind.startswith(OWN):
        return Event(payload=PlatformEvent(kind.removeprefix(OWN).lower(), dict(native)))
    return Event(
        payload=PlatformEvent("other", {"type": kind[:64], "data": dict(native)}), chat=_chat(native, setting)
    )


def platform_event(action: str, native: Native, setting: Setting) -> Event:
    """Something that only Discord has."""
    member = table(native.get("member"))
    return Event(
        payload=PlatformEvent(action, dict(native)),
        chat=_chat(native, setting),
        sender=user_of(native.get("user") or member.get("user") or native.get("author"), member),
    )


def message_event(native: Native, setting: Setting) -> Event:
    """A message, whoever wrote it."""
    message_id = text_of(native.get("id"))
    channel = text_of(native.get("channel_id"))
    return Event(
        payload=MessageReceived(message_id, message_of(native), mentions(native, setting.me)),
        chat=setting.chat,
        sender=user_of(native.get("author"), native.get("member")),
        time=time_of(native.get("timestamp")) or snowflake_time(message_id),
        platform_event_id=message_id,
        reply_context=ReplyContext(channel).encode(),
    )


def _message(native: Native, setting: Setting) -> Event | None:
    if text_of(table(native.get("author")).get("id")) == setting.me:
        return None
    if not is_written(native):
        return platform_event("system_message", native, setting)
    return message_event(native, setting)


def _edited(native: Native, setting: Setting) -> Event | None:
    stamp = text_of(native.get("edited_timestamp"))
    if text_of(table(native.get("author")).get("id")) == setting.me:
        return None
    if not stamp:
        # The platform added a preview, or the message was pinned.
        return platform_event("message_updated", native, setting)
    return Event(
        payload=MessageEdited(text_of(native.get("id")), message_of(native), stamp),
        chat=setting.chat,
        sender=user_of(native.get("author"), native.get("member")),
        time=time_of(stamp),
        reply_context=ReplyContext(text_of(native.get("channel_id"))).encode(),
    )


def _deleted(native: Native, setting: Setting) -> Event:
    context = ReplyContext(text_of(native.get("channel_id"))).encode()
    return Event(payload=MessageDeleted(text_of(native.get("id"))), chat=setting.chat, reply_context=context)


def reaction_of(emoji: Any) -> str:
    """A reaction as text: the character, or `name:id` of a server's own."""
    name, emoji_id = text_of(table(emoji).get("name")), text_of(table(emoji).get("id"))
    return f"{name}:{emoji_id}" if emoji_id else name


def _reaction(is_add: bool) -> Callable[[Native, Setting], Event | None]:
    def convert(native: Native, setting: Setting) -> Event | None:
        member = table(native.get("member"))
        user_id = text_of(native.get("user_id"))
        if user_id == setting.me:
            return None
        return Event(
            payload=MessageReaction(
                text_of(native.get("message_id")), reaction_of(native.get("emoji")), is_add
            ),
            chat=setting.chat,
            sender=user_of(member.get("user") or {"id": user_id}, member),
            reply_context=ReplyContext(text_of(native.get("channel_id"))).encode(),
        )

    return convert


def _in_guild(native: Native, payload: Payload, sender: Any = None) -> Event:
    guild = text_of(native.get("guild_id")) or text_of(native.get("id"))
    return Event(payload=payload, chat=Chat(ChatType.GROUP, guild) if guild else None, sender=user_of(sender))


def _guild(native: Native) -> Group:
    return Group(id=text_of(native.get("guild_id")))


def _joined(native: Native, setting: Setting) -> Event:
    user = native.get("user")
    return _in_guild(native, GroupMemberJoined(_guild(native), user_of(user, native)), user)


def _left(native: Native, setting: Setting) -> Event:
    user = native.get("user")
    return _in_guild(native, GroupMemberLeft(_guild(native), user_of(user)), user)


def _banned(native: Native, setting: Setting) -> Event:
    who = user_of(native.get("user"))
    return _in_guild(native, GroupMemberBanned(_guild(native), who, restriction=Restriction.BAN))


def _unbanned(native: Native, setting: Setting) -> Event:
    who = user_of(native.get("user"))
    return _in_guild(native, GroupMemberUnbanned(_guild(native), who, restriction=Restriction.BAN))


def _member(native: Native, setting: Setting) -> Event:
    """A member changed: silenced for a time, or something else."""
    until = time_of(native.get("communication_disabled_until"))
    left = until - datetime.now(UTC) if until is not None else None
    user = user_of(native.get("user"), native)
    if left is None or left.total_seconds() <= 0 or user is None:
        return platform_event("guild_member_update", native, setting)
    if user.id == setting.me:
        return _in_guild(native, BotMuted(_guild(native), duration=left))
    return _in_guild(
        native, GroupMemberBanned(_guild(native), user, duration=left, restriction=Restriction.MUTE)
    )


def _renamed(native: Native, setting: Setting) -> Event:
    return _in_guild(native, GroupInfoUpdated(group_of(native)))


def _entered(native: Native, setting: Setting) -> Event:
    return _in_guild(native, BotInvitedToGroup(group_of(native)))


def _removed(native: Native, setting: Setting) -> Event:
    if native.get("unavailable") is True:
        return _in_guild(native, PlatformEvent("guild_unavailable", dict(native)))
    return _in_guild(native, BotRemovedFromGroup(Group(id=text_of(native.get("id")))))


def _interaction(native: Native, setting: Setting) -> Event:
    return interaction_event(native, setting.chat, setting.commands)


def _chat(native: Native, setting: Setting) -> Chat | None:
    guild = text_of(native.get("guild_id"))
    return setting.chat or (Chat(ChatType.GROUP, guild) if guild else None)


_EVENTS: Mapping[str, Callable[[Native, Setting], Event | None]] = {
    "MESSAGE_CREATE": _message,
    "MESSAGE_UPDATE": _edited,
    "MESSAGE_DELETE": _deleted,
    "MESSAGE_REACTION_ADD": _reaction(True),
    "MESSAGE_REACTION_REMOVE": _reaction(False),
    "GUILD_MEMBER_ADD": _joined,
    "GUILD_MEMBER_REMOVE": _left,
    "GUILD_MEMBER_UPDATE": _member,
    "GUILD_BAN_ADD": _banned,
    "GUILD_BAN_REMOVE": _unbanned,
    "GUILD_UPDATE": _renamed,
    "GUILD_CREATE": _entered,
    "GUILD_DELETE": _removed,
    "INTERACTION_CREATE": _interaction,
}
# Published as `platform.discord.<name in lower case>`.
PLATFORM_EVENTS = frozenset(
    [
        "APPLICATION_COMMAND_PERMISSIONS_UPDATE",
        "AUTO_MODERATION_RULE_CREATE",
        "AUTO_MODERATION_RULE_UPDATE",
        "AUTO_MODERATION_RULE_DELETE",
        "AUTO_MODERATION_ACTION_EXECUTION",
        "CHANNEL_CREATE",
        "CHANNEL_UPDATE",
        "CHANNEL_DELETE",
        "CHANNEL_PINS_UPDATE",
        "THREAD_CREATE",
        "THREAD_UPDATE",
        "THREAD_DELETE",
        "THREAD_LIST_SYNC",
        "THREAD_MEMBER_UPDATE",
        "THREAD_MEMBERS_UPDATE",
        "ENTITLEMENT_CREATE",
        "ENTITLEMENT_UPDATE",
        "ENTITLEMENT_DELETE",
        "GUILD_AUDIT_LOG_ENTRY_CREATE",
        "GUILD_EMOJIS_UPDATE",
        "GUILD_STICKERS_UPDATE",
        "GUILD_INTEGRATIONS_UPDATE",
        "GUILD_ROLE_CREATE",
        "GUILD_ROLE_UPDATE",
        "GUILD_ROLE_DELETE",
        "GUILD_SCHEDULED_EVENT_CREATE",
        "GUILD_SCHEDULED_EVENT_UPDATE",
        "GUILD_SCHEDULED_EVENT_DELETE",
        "GUILD_SCHEDULED_EVENT_USER_ADD",
        "GUILD_SCHEDULED_EVENT_USER_REMOVE",
        "INTEGRATION_CREATE",
        "INTEGRATION_UPDATE",
        "INTEGRATION_DELETE",
        "INVITE_CREATE",
        "INVITE_DELETE",
        "MESSAGE_REACTION_REMOVE_ALL",
        "MESSAGE_REACTION_REMOVE_EMOJI",
        "STAGE_INSTANCE_CREATE",
        "STAGE_INSTANCE_UPDATE",
        "STAGE_INSTANCE_DELETE",
        "SUBSCRIPTION_CREATE",
        "SUBSCRIPTION_UPDATE",
        "SUBSCRIPTION_DELETE",
        "USER_UPDATE",
        "VOICE_STATE_UPDATE",
        "VOICE_CHANNEL_EFFECT_SEND",
        "WEBHOOKS_UPDATE",
        "MESSAGE_POLL_VOTE_ADD",
        "MESSAGE_POLL_VOTE_REMOVE",
    ]
)
