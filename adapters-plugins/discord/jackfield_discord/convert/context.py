"""What an event must remember so that a reply needs no lookup."""

from __future__ import annotations

import json
from dataclasses import dataclass

from jackfield_sdk import InvalidArgument


@dataclass(frozen=True, slots=True)
class ReplyContext:
    """The channel to answer in; of an interaction also its application and its token, good for 15 minutes."""

    channel_id: str = ""
    application_id: str = ""
    token: str = ""

    def encode(self) -> bytes:
        """Opaque to everybody else."""
        fields = [self.channel_id]
        if self.token:
            fields += [self.application_id, self.token]
        return json.dumps(fields, separators=(",", ":")).encode()

    @classmethod
    def decode(cls, data: bytes) -> ReplyContext:
        """Reads it back; nothing for nothing. Raises InvalidArgument for a foreign one."""
        if not data:
            return cls()
        try:
            fields = json.loads(data)
        except ValueError:
            fields = None
        if (
            not isinstance(fields, list)
            or len(fields) not in (1, 3)
            or not all(isinstance(f, str) for f in fields)
        ):
            raise InvalidArgument("the reply context is not ours", metadata={"field": "reply_context"})
        return cls(*fields)
