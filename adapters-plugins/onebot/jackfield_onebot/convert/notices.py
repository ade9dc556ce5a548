"""Notices: what happened in groups and among friends."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from jackfield_sdk import (
    BotInvitedToGroup,
    BotMuted,
    BotRemovedFromGroup,
    BotUnmuted,
    FriendAdded,
    Group,
    GroupMemberBanned,
    GroupMemberJoined,
    GroupMemberLeft,
    GroupMemberUnbanned,
    JoinType,
    MessageDeleted,
    Payload,
    Restriction,
    User,
)

from jackfield_onebot.convert.parts import Parts, actor_of, chat_of
from jackfield_onebot.convert.values import id_of, integer_of, text_of

Native = Mapping[str, Any]
# Kinds with no common form, under their own names.
_OWN = frozenset({"group_upload", "group_admin", "group_card", "offline_file", "client_status", "essence"})
_NOTIFY = frozenset({"poke", "lucky_king", "honor", "title"})
_JOIN = {"approve": JoinType.REQUEST, "invite": JoinType.INVITE}


def notice_of(native: Native, self_id: str) -> Parts | None:
    """The parts of a notice; None for a kind that is not known here."""
    kind = text_of(native.get("notice_type"))
    if kind in _OWN:
        return Parts.platform(kind, native)
    if kind == "notify" and (detail := text_of(native.get("sub_type"))) in _NOTIFY:
        return Parts.platform(detail, native)
    read = _READERS.get(kind)
    return read(native, self_id) if read is not None else None


def _at(native: Native, payload: Payload) -> Parts:
    return Parts(payload, chat_of(native), actor_of(native))


def _group(native: Native) -> Group:
    return Group(id=id_of(native.get("group_id")), name=text_of(native.get("group_name")))


def _operator(native: Native) -> User | None:
    operator = id_of(native.get("operator_id"))
    return User(id=operator) if operator else None


def _member(native: Native) -> User:
    return User(id=id_of(native.get("user_id")))


def _increase(native: Native, self_id: str) -> Parts:
    member, operator = _member(native), _operator(native)
    how = _JOIN.get(text_of(native.get("sub_type")), JoinType.UNSPECIFIED)
    if member.id == self_id:
        return _at(native, BotInvitedToGroup(group=_group(native), inviter=operator))
    inviter = operator if how is JoinType.INVITE else None
    return _at(native, GroupMemberJoined(group=_group(native), member=member, inviter=inviter, join_type=how))


def _decrease(native: Native, self_id: str) -> Parts:
    member, operator, how = _member(native), _operator(native), text_of(native.get("sub_type"))
    if how == "kick_me" or member.id == self_id:
        return _at(native, BotRemovedFromGroup(group=_group(native), operator=operator))
    kicked = how == "kick"
    return _at(
        native,
        GroupMemberLeft(
            group=_group(native), member=member, is_kicked=kicked, operator=operator if kicked else None
        ),
    )


def _ban(native: Native, self_id: str) -> Parts:
    member, operator, group = _member(native), _operator(native), _group(native)
    if not member.id:
        return Parts.platform("group_whole_ban", native)
    seconds = integer_of(native.get("duration")) or 0
    lifted = native.get("sub_type") == "lift_ban" or (native.get("sub_type") != "ban" and seconds == 0)
    duration = timedelta(seconds=min(seconds, 10**9)) if seconds > 0 else None
    payload: Payload
    if member.id == self_id:
        payload = BotUnmuted(group, operator) if lifted else BotMuted(group, operator, duration)
    elif lifted:
        payload = GroupMemberUnbanned(group, member, operator, Restriction.MUTE)
    else:
        payload = GroupMemberBanned(group, member, operator, duration, Restriction.MUTE)
    return _at(native, payload)


def _recall(native: Native, self_id: str) -> Parts:
    return _at(native, MessageDeleted(text_of(native.get("message_id"))))


def _friend(native: Native, self_id: str) -> Parts:
    return _at(native, FriendAdded())


_READERS: Mapping[str, Callable[[Native, str], Parts]] = {
    "group_increase": _increase,
    "group_decrease": _decrease,
    "group_ban": _ban,
    "group_recall": _recall,
    "friend_recall": _recall,
    "friend_add": _friend,
}
