"""People and places of a platform. Ids are strings, handed back to the platform unchanged."""

from __future__ import annotations

from datetime import datetime
from enum import IntEnum
from urllib.parse import unquote

from jackfield_sdk.plain import plain


class ChatType(IntEnum):
    """Kind of a conversation; a thread is a field of `Chat`, never a kind."""

    UNSPECIFIED = 0
    PRIVATE = 1
    GROUP = 2
    CHANNEL = 3


class MemberRole(IntEnum):
    """What a member may do in a group."""

    UNSPECIFIED = 0
    OWNER = 1
    ADMIN = 2
    MEMBER = 3


@plain
class Chat:
    """A conversation. `str(chat)` is `<type>:<id>[:<thread_id>]`; `Chat.parse` reads it back."""

    type: ChatType = ChatType.UNSPECIFIED
    id: str = ""
    thread_id: str = ""
    parent_id: str = ""
    name: str = ""

    def __str__(self) -> str:
        parts = [self.type.name.lower(), _escape(self.id)]
        if self.thread_id:
            parts.append(_escape(self.thread_id))
        return ":".join(parts)

    @classmethod
    def parse(cls, text: str) -> Chat:
        """Reads `<type>:<id>[:<thread_id>]`. Raises ValueError for anything else."""
        parts = text.split(":")
        if len(parts) not in (2, 3) or parts[0].upper() not in ChatType.__members__ or not parts[1]:
            raise ValueError(f"not a chat: {text!r}; write <private|group|channel>:<id>[:<thread>]")
        thread = unquote(parts[2]) if len(parts) == 3 else ""
        return cls(ChatType[parts[0].upper()], unquote(parts[1]), thread)

    @classmethod
    def private(cls, user_id: str) -> Chat:
        """The conversation of one user and the bot."""
        return cls(ChatType.PRIVATE, user_id)

    @classmethod
    def group(cls, group_id: str, thread_id: str = "") -> Chat:
        """A group of users."""
        return cls(ChatType.GROUP, group_id, thread_id)

    @classmethod
    def channel(cls, channel_id: str, parent_id: str = "", thread_id: str = "") -> Chat:
        """A channel of a server, guild or workspace."""
        return cls(ChatType.CHANNEL, channel_id, thread_id, parent_id)


def _escape(part: str) -> str:
    return part.replace("%", "%25").replace(":", "%3A")


@plain
class User:
    """An account on a platform."""

    id: str = ""
    nickname: str = ""
    avatar_url: str = ""
    is_bot: bool = False
    username: str = ""
    remark: str = ""


@plain
class Group:
    """A group chat, or the server that holds channels. `member_count` is None when unknown."""

    id: str = ""
    name: str = ""
    description: str = ""
    member_count: int | None = None
    avatar_url: str = ""
    owner_id: str = ""


@plain
class Member:
    """One user in one group."""

    user: User | None = None
    group_id: str = ""
    role: MemberRole = MemberRole.UNSPECIFIED
    display_name: str = ""
    joined_at: datetime | None = None
    title: str = ""
