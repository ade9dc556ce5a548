"""Who came, went and was restricted: `chat_member` and `my_chat_member` updates, and the service messages that say the same."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from jackfield_sdk import (
    BotInvitedToGroup,
    BotMuted,
    BotRemovedFromGroup,
    BotUnmuted,
    FriendAdded,
    FriendRemoved,
    GroupMemberBanned,
    GroupMemberJoined,
    GroupMemberLeft,
    GroupMemberUnbanned,
    JoinType,
    Payload,
    Restriction,
    User,
)

from jackfield_telegram.convert.people import Me, group_of, inside, user_of
from jackfield_telegram.convert.values import integer_of, table, text_of


def member_change(update: Mapping[str, Any]) -> tuple[Payload | None, str]:
    """What happened to a member, and the key that the service message about the same has too; None for changes of rights."""
    old, new = table(update.get("old_chat_member")), table(update.get("new_chat_member"))
    group, member, operator = (
        group_of(update.get("chat")),
        user_of(new.get("user")),
        user_of(update.get("from")),
    )
    if member is None:
        return None, ""
    was, now = inside(old), inside(new)
    status, before = text_of(new.get("status")), text_of(old.get("status"))
    own_act = operator is not None and operator.id == member.id
    if not was and now:
        how = (
            JoinType.REQUEST
            if update.get("via_join_request") is True
            else JoinType.DIRECT
            if own_act
            else JoinType.INVITE
        )
        joined = GroupMemberJoined(group, member, None if own_act else operator, how)
        return joined, occurrence(group.id, member.id, "joined", update)
    if status == "kicked" and before != "kicked":
        duration = _until(new, update)
        return GroupMemberBanned(group, member, operator, duration, Restriction.BAN), ""
    if before == "kicked":
        return GroupMemberUnbanned(group, member, operator, Restriction.BAN), ""
    if was and not now:
        left = GroupMemberLeft(group, member, not own_act, None if own_act else operator)
        return left, occurrence(group.id, member.id, "left", update)
    if _muted(new) and not _muted(old):
        return GroupMemberBanned(group, member, operator, _until(new, update), Restriction.MUTE), ""
    if _muted(old) and not _muted(new):
        return GroupMemberUnbanned(group, member, operator, Restriction.MUTE), ""
    return None, ""


def own_change(update: Mapping[str, Any]) -> Payload | None:
    """What happened to the bot itself; None for changes of rights."""
    old, new = table(update.get("old_chat_member")), table(update.get("new_chat_member"))
    chat, operator = table(update.get("chat")), user_of(update.get("from"))
    was, now = inside(old), inside(new)
    if text_of(chat.get("type")) == "private":
        return FriendAdded() if now and not was else FriendRemoved() if was and not now else None
    group = group_of(chat)
    if now and not was:
        return BotInvitedToGroup(group, operator)
    if was and not now:
        return BotRemovedFromGroup(group, operator)
    if _muted(new) and not _muted(old):
        return BotMuted(group, operator, _until(new, update))
    if _muted(old) and not _muted(new):
        return BotUnmuted(group, operator)
    return None


def service_changes(message: Mapping[str, Any], me: Me) -> list[tuple[Payload, str]]:
    """The same of a service message, but for the bot itself: groups where the bot is no administrator send nothing else."""
    group, operator = group_of(message.get("chat")), user_of(message.get("from"))
    found: list[tuple[Payload, str]] = []
    arrived = message.get("new_chat_members")
    for native in arrived if isinstance(arrived, list) else []:
        member = user_of(native)
        if member is not None and member.id != me.id:
            own_act = _same(operator, member)
            how = JoinType.DIRECT if own_act else JoinType.INVITE
            joined = GroupMemberJoined(group, member, None if own_act else operator, how)
            found.append((joined, occurrence(group.id, member.id, "joined", message)))
    gone = user_of(message.get("left_chat_member"))
    if gone is not None and gone.id != me.id:
        own_act = _same(operator, gone)
        left = GroupMemberLeft(group, gone, not own_act, None if own_act else operator)
        found.append((left, occurrence(group.id, gone.id, "left", message)))
    return found


def occurrence(group: str, member: str, what: str, native: Mapping[str, Any]) -> str:
    """One name for what the platform tells twice, in two updates of the same second."""
    return f"member/{group}/{member}/{what}/{integer_of(native.get('date')) or 0}"


def _same(one: User | None, other: User) -> bool:
    return one is not None and one.id == other.id


def _muted(member: Mapping[str, Any]) -> bool:
    return text_of(member.get("status")) == "restricted" and member.get("can_send_messages") is False


def _until(member: Mapping[str, Any], update: Mapping[str, Any]) -> timedelta | None:
    """How long; None for good."""
    until, since = integer_of(member.get("until_date")), integer_of(update.get("date"))
    if not until:
        return None
    start = since if since is not None else int(datetime.now(UTC).timestamp())
    return timedelta(seconds=until - start) if 0 < until - start < 10**9 else None
