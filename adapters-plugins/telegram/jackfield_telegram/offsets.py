"""The checkpoint of a bot: from which update on the platform has to send.

Ids of updates belong to one account and begin anew at random after a week of silence, and an offset above them all would throw
updates away. An offset is therefore used only for its own account and for a day, as long as the platform keeps updates at all;
without one the platform sends everything again that was not acknowledged, and what is known already is stored once.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from jackfield_telegram.convert.values import integer_of, number_of, table, text_of

# Seconds for which the platform keeps updates.
HORIZON = 86_400.0


@dataclass(frozen=True, slots=True)
class Offset:
    """The id of the first update that is not durable yet, of this account, at this time in seconds since the epoch."""

    account: str
    next_id: int | None
    at: float

    def encode(self) -> bytes:
        """As it is committed."""
        return json.dumps({"account": self.account, "next": self.next_id, "at": int(self.at)}).encode()

    def usable(self, now: float) -> int | None:
        """What to ask from; None for everything that is not acknowledged."""
        return self.next_id if -HORIZON < now - self.at < HORIZON else None


def offset_of(checkpoint: bytes, account: str, now: float) -> Offset:
    """The offset in a checkpoint; an empty one for another account's and for what cannot be read."""
    try:
        values = table(json.loads(checkpoint or b"{}"))
    except (ValueError, RecursionError):
        values = {}
    next_id = integer_of(values.get("next"))
    if text_of(values.get("account")) != account or next_id is None or next_id < 0:
        return Offset(account, None, now)
    return Offset(account, next_id, number_of(values.get("at")))
