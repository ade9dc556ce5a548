"""Accounts, servers and members."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jackfield_sdk import Group, Member, MemberRole, User

from jackfield_discord.convert.values import integer_of, table, text_of, time_of

CDN = "https://cdn.discordapp.com"
ADMINISTRATOR = 1 << 3


def user_of(native: Any, member: Any = None) -> User | None:
    """An account; with the name that it has in a server where that is given."""
    given = table(native)
    user_id = text_of(given.get("id"))
    if not user_id:
        return None
    nick = text_of(table(member).get("nick"))
    name = text_of(given.get("global_name")) or text_of(given.get("username"))
    avatar = text_of(given.get("avatar"))
    return User(
        id=user_id,
        nickname=nick or name,
        username=text_of(given.get("username")),
        avatar_url=f"{CDN}/avatars/{user_id}/{avatar}.png" if avatar else "",
        is_bot=given.get("bot") is True,
    )


def group_of(native: Any) -> Group:
    """A server."""
    given = table(native)
    guild_id, icon = text_of(given.get("id")), text_of(given.get("icon"))
    count = integer_of(given.get("member_count")) or integer_of(given.get("approximate_member_count"))
    return Group(
        id=guild_id,
        name=text_of(given.get("name")),
        description=text_of(given.get("description")),
        member_count=count or None,
        avatar_url=f"{CDN}/icons/{guild_id}/{icon}.png" if icon else "",
        owner_id=text_of(given.get("owner_id")),
    )


def member_of(native: Mapping[str, Any], guild: Mapping[str, Any]) -> Member:
    """A member; administrator by a role that says so, where the server's roles are given."""
    user = user_of(native.get("user"), native)
    user_id = user.id if user is not None else ""
    held = {text_of(role) for role in native.get("roles") or () if isinstance(role, str)}
    rights = 0
    roles = guild.get("roles")
    for role in roles if isinstance(roles, list) else ():
        if text_of(table(role).get("id")) in held:
            rights |= integer_of(table(role).get("permissions"))
    place = MemberRole.ADMIN if rights & ADMINISTRATOR else MemberRole.MEMBER
    return Member(
        user=user,
        group_id=text_of(guild.get("id")),
        role=MemberRole.OWNER if user_id and user_id == text_of(guild.get("owner_id")) else place,
        display_name=text_of(native.get("nick")) or (user.nickname if user else ""),
        joined_at=time_of(native.get("joined_at")),
    )
