"""What Slack says about channels and people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jackfield_sdk import Call, Chat, ChatDetails, ChatType, Group, Member, MemberRole, Page, User

from jackfield_slack.account import Account


async def chat_info(account: Account, call: Call) -> ChatDetails:
    """A conversation of any kind."""
    found = (await account.web.read("conversations.info", channel=call.chat.id, include_num_members="true"))[
        "channel"
    ]
    kind = "im" if found.get("is_im") else "mpim" if found.get("is_mpim") else "channel"
    account.me.learn(call.chat.id, kind)
    chat = account.me.chat(call.chat.id, call.chat.thread_id)
    named = Chat(chat.type, chat.id, chat.thread_id, chat.parent_id, str(found.get("name") or ""))
    if chat.type is ChatType.PRIVATE:
        return ChatDetails(chat=named, user=await user_info(account, str(found.get("user", ""))))
    return ChatDetails(chat=named, group=group_of(found))


async def user_info(account: Account, user_id: str) -> User:
    """One person or bot."""
    return user_of((await account.web.read("users.info", user=user_id))["user"])


async def groups(account: Account, page_size: int, page_token: str) -> Page[Group]:
    """Channels that the bot is in."""
    answer = await account.web.read(
        "users.conversations",
        types="public_channel,private_channel,mpim",
        exclude_archived="true",
        limit=min(page_size or 200, 999),
        cursor=page_token or None,
    )
    items = tuple(group_of(channel) for channel in answer.get("channels", ()))
    return Page(items=items, next_page_token=_cursor(answer))


async def members(account: Account, call: Call, page_size: int, page_token: str) -> Page[Member]:
    """Ids alone: Slack names people one by one."""
    answer = await account.web.read(
        "conversations.members",
        channel=call.chat.id,
        limit=min(page_size or 200, 999),
        cursor=page_token or None,
    )
    items = tuple(
        Member(user=User(id=str(one)), group_id=call.chat.id, role=MemberRole.UNSPECIFIED)
        for one in answer.get("members", ())
    )
    return Page(items=items, next_page_token=_cursor(answer))


def group_of(channel: Mapping[str, Any]) -> Group:
    """A channel."""
    topic = channel.get("purpose") or channel.get("topic") or {}
    count = channel.get("num_members")
    return Group(
        id=str(channel.get("id", "")),
        name=str(channel.get("name") or ""),
        description=str(topic.get("value", "")) if isinstance(topic, dict) else "",
        member_count=count if isinstance(count, int) else None,
        owner_id=str(channel.get("creator") or ""),
    )


def user_of(user: Mapping[str, Any]) -> User:
    """A person or a bot."""
    profile = user.get("profile") or {}
    return User(
        id=str(user.get("id", "")),
        nickname=str(profile.get("display_name") or profile.get("real_name") or user.get("real_name") or ""),
        username=str(user.get("name") or ""),
        avatar_url=str(profile.get("image_192") or ""),
        is_bot=bool(user.get("is_bot")),
    )


def member_of(user: Mapping[str, Any], group_id: str) -> Member:
    """A person in a channel; roles are of the workspace."""
    role = (
        MemberRole.OWNER
        if user.get("is_owner")
        else MemberRole.ADMIN
        if user.get("is_admin")
        else MemberRole.MEMBER
    )
    shown = user_of(user)
    return Member(user=shown, group_id=group_id, role=role, display_name=shown.nickname)


def _cursor(answer: Mapping[str, Any]) -> str:
    return str((answer.get("response_metadata") or {}).get("next_cursor") or "")
