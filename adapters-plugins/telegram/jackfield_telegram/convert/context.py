"""What a reply needs to know again: the opaque bytes in an event's `reply_context`."""

from __future__ import annotations

import json
from dataclasses import dataclass

from jackfield_sdk import InvalidArgument

from jackfield_telegram.convert.values import table, text_of


@dataclass(frozen=True, slots=True)
class ReplyContext:
    """The message that is answered, and the callback query that waits for an answer."""

    message_id: str = ""
    query_id: str = ""

    def encode(self) -> bytes:
        """As it stands in the event."""
        return json.dumps({"m": self.message_id, "q": self.query_id}, separators=(",", ":")).encode()

    @classmethod
    def decode(cls, data: bytes) -> ReplyContext:
        """Raises InvalidArgument for bytes that are not ours."""
        if not data:
            return cls()
        try:
            values = table(json.loads(data))
        except (ValueError, RecursionError):
            raise InvalidArgument("reply_context is not ours", metadata={"field": "reply_context"}) from None
        return cls(text_of(values.get("m")), text_of(values.get("q")))
