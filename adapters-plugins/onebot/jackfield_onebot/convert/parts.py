"""What an event is made of before it is one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jackfield_sdk import Chat, Payload, PlatformEvent, User

from jackfield_onebot.convert.values import id_of, shallow


@dataclass(frozen=True, slots=True)
class Parts:
    """Payload, conversation and acting user."""

    payload: Payload
    chat: Chat | None = None
    sender: User | None = None
    temporary_group: str = ""

    @classmethod
    def platform(cls, action: str, native: Mapping[str, Any]) -> Parts:
        """A platform event in the chat that the native event names."""
        return cls(PlatformEvent(action, shallow(native)), chat_of(native), actor_of(native))


def chat_of(native: Mapping[str, Any]) -> Chat | None:
    """The group, else the private chat with the user, else None."""
    group, user = id_of(native.get("group_id")), id_of(native.get("user_id"))
    if group:
        return Chat.group(group)
    return Chat.private(user) if user else None


def actor_of(native: Mapping[str, Any]) -> User | None:
    """Who did it: the operator where there is one, else the user."""
    actor = id_of(native.get("operator_id")) or id_of(native.get("user_id"))
    return User(id=actor) if actor else None
