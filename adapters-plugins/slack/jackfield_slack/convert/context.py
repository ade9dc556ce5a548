"""What an event carries so that a reply needs no lookup."""

from __future__ import annotations

import json

from jackfield_sdk import InvalidArgument
from jackfield_sdk.plain import plain


@plain
class ReplyContext:
    """Where a reply goes. `response_url` answers one interaction, five times within half an hour."""

    channel: str = ""
    thread_ts: str = ""
    ts: str = ""
    response_url: str = ""

    def to_bytes(self) -> bytes:
        """As it stands in an event."""
        fields = {
            "c": self.channel,
            "t": self.thread_ts,
            "m": self.ts,
            "r": self.response_url,
        }
        return json.dumps({name: value for name, value in fields.items() if value}).encode()

    @classmethod
    def read(cls, data: bytes, channel: str) -> ReplyContext:
        """Raises InvalidArgument for one of another channel, or of no event of ours."""
        if not data:
            return cls(channel=channel)
        try:
            fields = json.loads(data)
            found = cls(*(str(fields.get(name, "")) for name in ("c", "t", "m", "r")))
        except (ValueError, AttributeError) as error:
            raise InvalidArgument("the reply context is not of this adapter") from error
        if found.channel != channel:
            raise InvalidArgument("the reply context belongs to another channel")
        return found
