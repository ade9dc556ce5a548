"""People and groups of native objects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jackfield_sdk import Group, Member, MemberRole, User

from jackfield_onebot.convert.values import id_of, integer_of, text_of, time_of

ROLES: Mapping[str, MemberRole] = {
    "owner": MemberRole.OWNER,
    "admin": MemberRole.ADMIN,
    "member": MemberRole.MEMBER,
}


def table(value: Any) -> Mapping[str, Any]:
    """The object itself, or an empty one for anything else."""
    return value if isinstance(value, Mapping) else {}


def user_of(native: Mapping[str, Any], user_id: str = "") -> User:
    """A sender, friend, stranger or member as a user; `user_id` where the object has none."""
    return User(
        id=id_of(native.get("user_id")) or user_id,
        nickname=text_of(native.get("nickname")),
        remark=text_of(native.get("remark")),
        is_bot=native.get("is_robot") is True,
    )


def sender_of(native: Mapping[str, Any], user_id: str) -> User:
    """Who wrote: shown by the name inside the group where there is one."""
    card = text_of(native.get("card"))
    user = user_of(native, user_id)
    return User(id=user.id, nickname=card or user.nickname, remark=user.remark, is_bot=user.is_bot)


def group_of(native: Mapping[str, Any], group_id: str = "") -> Group:
    """A group object."""
    count = integer_of(native.get("member_count"))
    return Group(
        id=id_of(native.get("group_id")) or group_id,
        name=text_of(native.get("group_name")),
        description=text_of(native.get("group_memo")),
        member_count=count if count else None,
        owner_id=id_of(native.get("owner_id")),
    )


def member_of(native: Mapping[str, Any], group_id: str) -> Member:
    """A member object."""
    return Member(
        user=user_of(native),
        group_id=id_of(native.get("group_id")) or group_id,
        role=ROLES.get(text_of(native.get("role")), MemberRole.UNSPECIFIED),
        display_name=text_of(native.get("card")),
        joined_at=time_of(native.get("join_time")),
        title=text_of(native.get("title")),
    )
