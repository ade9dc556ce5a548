"""What Lark says about chats and people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jackfield_sdk import Call, Chat, ChatDetails, ChatType, Group, Member, MemberRole, NotFound, Page, User

from jackfield_lark.account import Account
from jackfield_lark.web import part

MOST_PAGES = 20


async def chat_info(account: Account, call: Call) -> ChatDetails:
    """A chat of any kind."""
    found = await account.web.call("GET", f"/im/v1/chats/{part(call.chat.id)}")
    account.me.learn(call.chat.id, _word(found, "chat_mode"))
    chat = account.me.chat(call.chat.id, call.chat.thread_id)
    named = Chat(chat.type, chat.id, chat.thread_id, "", _word(found, "name"))
    if chat.type is ChatType.PRIVATE:
        return ChatDetails(chat=named)
    return ChatDetails(chat=named, group=group_of(call.chat.id, found))


async def group_info(account: Account, call: Call) -> Group:
    """A group."""
    return group_of(call.chat.id, await account.web.call("GET", f"/im/v1/chats/{part(call.chat.id)}"))


async def groups(account: Account, page_size: int, page_token: str) -> Page[Group]:
    """Groups that the bot is in."""
    data = await account.web.call(
        "GET", "/im/v1/chats", page_size=min(page_size or 50, 100), page_token=page_token or None
    )
    items = tuple(group_of(_word(item, "chat_id"), item) for item in data.get("items") or ())
    return Page(items=items, next_page_token=_next(data))


async def members(account: Account, call: Call, page_size: int, page_token: str) -> Page[Member]:
    """People of a group; Lark lists no bots."""
    data = await account.web.call(
        "GET",
        f"/im/v1/chats/{part(call.chat.id)}/members",
        member_id_type="open_id",
        page_size=min(page_size or 50, 100),
        page_token=page_token or None,
    )
    items = tuple(
        Member(
            user=User(id=_word(item, "member_id"), nickname=_word(item, "name")),
            group_id=call.chat.id,
            role=MemberRole.UNSPECIFIED,
            display_name=_word(item, "name"),
        )
        for item in data.get("items") or ()
    )
    return Page(items=items, next_page_token=_next(data))


async def member(account: Account, call: Call, user_id: str) -> Member:
    """One of them; its role by who owns the group. Raises NotFound."""
    page = ""
    for _ in range(MOST_PAGES):
        found = await members(account, call, 100, page)
        for one in found.items:
            if one.user is not None and one.user.id == user_id:
                owner = (await group_info(account, call)).owner_id
                role = MemberRole.OWNER if owner == user_id else MemberRole.MEMBER
                return Member(user=one.user, group_id=call.chat.id, role=role, display_name=one.display_name)
        page = found.next_page_token
        if not page:
            break
    raise NotFound("nobody of this id is in the group", metadata={"user_id": user_id})


async def user_info(account: Account, user_id: str) -> User:
    """A person of the directory."""
    kind = {"ou_": "open_id", "on_": "union_id"}.get(user_id[:3], "user_id")
    data = await account.web.call("GET", f"/contact/v3/users/{part(user_id)}", user_id_type=kind)
    user = data.get("user")
    if not isinstance(user, dict):
        raise NotFound("there is no such user", metadata={"user_id": user_id})
    avatar = user.get("avatar")
    return User(
        id=_word(user, "open_id") or user_id,
        nickname=_word(user, "nickname") or _word(user, "name"),
        username=_word(user, "en_name"),
        avatar_url=_word(avatar, "avatar_240") if isinstance(avatar, dict) else "",
    )


def group_of(chat: str, found: Mapping[str, Any]) -> Group:
    """A group as Lark tells it."""
    count = _word(found, "user_count")
    return Group(
        id=chat,
        name=_word(found, "name"),
        description=_word(found, "description"),
        member_count=int(count) if count.isascii() and count.isdigit() else None,
        avatar_url=_word(found, "avatar"),
        owner_id=_word(found, "owner_id"),
    )


def _next(data: Mapping[str, Any]) -> str:
    return _word(data, "page_token") if data.get("has_more") else ""


def _word(found: Mapping[str, Any], name: str) -> str:
    value = found.get(name)
    return value if isinstance(value, str) else ""
