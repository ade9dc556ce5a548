"""What an event must remember so that a reply needs no lookup."""

from __future__ import annotations

import json
from dataclasses import dataclass

from jackfield_sdk import Chat, InvalidArgument


@dataclass(frozen=True, slots=True)
class ReplyContext:
    """The account that received it, its chat, and the group through which a stranger wrote privately."""

    self_id: str
    chat: str
    temporary_group: str = ""

    def encode(self) -> bytes:
        """Opaque to everybody else."""
        fields = [self.self_id, self.chat, self.temporary_group]
        return json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode()

    @classmethod
    def decode(cls, data: bytes, chat: Chat | None) -> ReplyContext:
        """Reads it back. Raises InvalidArgument for a foreign one and for one of another chat."""
        try:
            fields = json.loads(data)
        except ValueError:
            fields = None
        if not isinstance(fields, list) or len(fields) != 3 or not all(isinstance(f, str) for f in fields):
            raise InvalidArgument("the reply context is not ours", metadata={"field": "reply_context"})
        context = cls(*fields)
        if chat is not None and context.chat != plain_chat(chat):
            raise InvalidArgument(
                "the reply context belongs to another chat", metadata={"field": "reply_context"}
            )
        return context


def plain_chat(chat: Chat) -> str:
    """A chat by type and id alone."""
    return str(Chat(chat.type, chat.id))
