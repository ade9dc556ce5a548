"""Users, chats, groups and members of native objects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jackfield_sdk import Chat, ChatType, Group, Member, MemberRole, User

from jackfield_telegram.convert.values import integer_of, table, text_of

# Before the id of a topic of a channel's direct messages: these are not forum topics.
DIRECT = "direct-"
ROLES: Mapping[str, MemberRole] = {
    "creator": MemberRole.OWNER,
    "administrator": MemberRole.ADMIN,
    "member": MemberRole.MEMBER,
    "restricted": MemberRole.MEMBER,
}
_TYPES: Mapping[str, ChatType] = {
    "private": ChatType.PRIVATE,
    "group": ChatType.GROUP,
    "supergroup": ChatType.GROUP,
    "channel": ChatType.CHANNEL,
}


@dataclass(frozen=True, slots=True)
class Me:
    """The bot's own account."""

    id: str
    username: str = ""

    @classmethod
    def of(cls, native: Mapping[str, Any]) -> Me:
        """From what getMe answers."""
        return cls(text_of(native.get("id")), text_of(native.get("username")))


def user_of(native: Any) -> User | None:
    """A user object; None when there is none."""
    user = table(native)
    user_id = text_of(user.get("id"))
    if not user_id:
        return None
    names = (text_of(user.get("first_name")), text_of(user.get("last_name")))
    return User(
        id=user_id,
        nickname=" ".join(name for name in names if name),
        username=text_of(user.get("username")),
        is_bot=user.get("is_bot") is True,
    )


def sender_of(message: Mapping[str, Any]) -> User | None:
    """Who wrote: the user, or the chat in whose name a message was sent (channels, anonymous administrators)."""
    chat = table(message.get("sender_chat"))
    if chat_id := text_of(chat.get("id")):
        return User(id=chat_id, nickname=text_of(chat.get("title")), username=text_of(chat.get("username")))
    return user_of(message.get("from"))


def chat_of(native: Any, message: Mapping[str, Any] | None = None) -> Chat | None:
    """A chat object, with the topic of the message where it stands in one."""
    chat = table(native)
    kind = _TYPES.get(text_of(chat.get("type")))
    chat_id = text_of(chat.get("id"))
    if kind is None or not chat_id:
        return None
    name = text_of(chat.get("title")) or text_of(chat.get("first_name"))
    return Chat(kind, chat_id, thread_of(message or {}), name=name)


def thread_of(message: Mapping[str, Any]) -> str:
    """The forum topic or the topic of direct messages; reply threads of ordinary groups are none."""
    direct = table(message.get("direct_messages_topic"))
    if topic := text_of(direct.get("topic_id")):
        return DIRECT + topic
    thread = text_of(message.get("message_thread_id"))
    return thread if message.get("is_topic_message") is True else ""


def group_of(native: Any) -> Group:
    """A group or channel."""
    chat = table(native)
    return Group(
        id=text_of(chat.get("id")),
        name=text_of(chat.get("title")),
        description=text_of(chat.get("description")),
        member_count=integer_of(chat.get("member_count")),
    )


def member_of(native: Any, group_id: str) -> Member:
    """A ChatMember object."""
    member = table(native)
    return Member(
        user=user_of(member.get("user")),
        group_id=group_id,
        role=ROLES.get(text_of(member.get("status")), MemberRole.UNSPECIFIED),
        title=text_of(member.get("custom_title")),
    )


def inside(member: Mapping[str, Any]) -> bool:
    """True for a ChatMember that is in the chat."""
    status = text_of(member.get("status"))
    return status in ("creator", "administrator", "member") or (
        status == "restricted" and member.get("is_member") is True
    )
