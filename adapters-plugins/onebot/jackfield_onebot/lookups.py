"""Who and what there is: groups, members, users, friends."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from jackfield_sdk import (
    Cached,
    Call,
    ChatDetails,
    ChatType,
    Group,
    InvalidArgument,
    Member,
    NotFound,
    NotSupported,
    Page,
    PlatformError,
    User,
)

from jackfield_onebot.caches import member_key
from jackfield_onebot.calls import Acting, act_as, group_id
from jackfield_onebot.convert.entities import group_of, member_of, table, user_of
from jackfield_onebot.convert.values import integer_of, native_id

DEFAULT_PAGE = 200
LARGEST_PAGE = 1000


class Lookups(Acting):
    """The methods that only ask."""

    async def get_chat_info(self, call: Call) -> ChatDetails:
        """The group, or the user at the other side."""
        if call.chat.type is ChatType.GROUP:
            group = await self.get_group_info(call)
            return ChatDetails(call.chat, group=group.value if isinstance(group, Cached) else group)
        return ChatDetails(call.chat, user=await self.get_user_info(call, call.chat.id))

    async def get_group_info(self, call: Call) -> Group | Cached[Group]:
        """Kept for an hour, a failure for a minute."""
        group = group_id(call)
        account, _ = self.account_of(call)
        known = account.caches.groups.get(str(group))
        if known is not None:
            return Cached(known)
        try:
            data = await act_as(account, call, "get_group_info", {"group_id": group}, effect=False)
        except (NotFound, PlatformError) as error:
            account.caches.groups.fail(str(group), error)
            raise
        found = group_of(table(data), str(group))
        account.caches.groups.put(found.id, found)
        return found

    async def get_group_list(self, call: Call, page_size: int, page_token: str) -> Page[Group]:
        """Every group of the account."""
        data = await self.act(call, "get_group_list", {}, effect=False)
        return page_of([group_of(item) for item in _tables(data)], page_size, page_token)

    async def get_group_member_list(self, call: Call, page_size: int, page_token: str) -> Page[Member]:
        """Every member; some endpoints answer with nobody."""
        group = group_id(call)
        data = await self.act(call, "get_group_member_list", {"group_id": group}, effect=False)
        members = [member_of(item, str(group)) for item in _tables(data)]
        if not members:
            raise NotSupported(
                "the endpoint gives out no members of this group", metadata={"api": "get_group_member_list"}
            )
        return page_of(members, page_size, page_token)

    async def get_group_member_info(self, call: Call, user_id: str) -> Member | Cached[Member]:
        """Kept for a day, a failure for ten minutes."""
        group = group_id(call)
        account, _ = self.account_of(call)
        key = member_key(str(group), user_id)
        known = account.caches.members.get(key)
        if known is not None:
            return Cached(known)
        params = {"group_id": group, "user_id": native_id(user_id)}
        try:
            data = await act_as(account, call, "get_group_member_info", params, effect=False)
        except (NotFound, PlatformError) as error:
            account.caches.members.fail(key, error)
            raise
        member = member_of({"user_id": user_id, **table(data)}, str(group))
        account.caches.members.put(key, member)
        return member

    async def get_user_info(self, call: Call, user_id: str) -> User:
        """Any user, friend or not."""
        data = await self.act(call, "get_stranger_info", {"user_id": native_id(user_id)}, effect=False)
        return user_of(table(data), user_id)

    async def get_friend_list(self, call: Call, page_size: int, page_token: str) -> Page[User]:
        """Every friend of the account."""
        data = await self.act(call, "get_friend_list", {}, effect=False)
        return page_of([user_of(item) for item in _tables(data)], page_size, page_token)

    async def is_muted(self, call: Call) -> bool:
        """As the endpoint states it about the bot's own membership, which is an extension."""
        account, _ = self.account_of(call)
        params = {"group_id": group_id(call), "user_id": native_id(account.self_id), "no_cache": True}
        data = table(await act_as(account, call, "get_group_member_info", params, effect=False))
        until = integer_of(data.get("shut_up_timestamp"))
        if until is None:
            raise NotSupported("the endpoint does not tell who is muted", metadata={"api": "is_muted"})
        return until > time.time()


def page_of(items: list[Any], page_size: int, page_token: str) -> Page[Any]:
    """A page of a list that the endpoint hands out whole. Raises InvalidArgument for a foreign token."""
    if page_token and not (page_token.isascii() and page_token.isdigit() and len(page_token) < 10):
        raise InvalidArgument("the page token is not ours", metadata={"field": "page_token"})
    start = int(page_token or 0)
    end = start + min(page_size or DEFAULT_PAGE, LARGEST_PAGE)
    return Page(tuple(items[start:end]), next_page_token=str(end) if end < len(items) else "")


def _tables(data: Any) -> list[Mapping[str, Any]]:
    return [item for item in data if isinstance(item, Mapping)] if isinstance(data, list) else []
