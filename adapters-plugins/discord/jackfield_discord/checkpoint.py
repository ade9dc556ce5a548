"""How far a bot has come: what the next process needs to go on."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace

from jackfield_discord.convert.values import integer_of

# Private channels whose history is looked through after a gap.
MOST_PRIVATE = 64


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A gateway session with its last sequence number; the newest message seen; the private channels met last.

    Ids of messages grow with time over all channels, so one id is the place in each of them.
    """

    session: str = ""
    url: str = ""
    sequence: int = 0
    message: int = 0
    private: tuple[str, ...] = ()

    @property
    def resumable(self) -> bool:
        """True when there is a session to go on with."""
        return bool(self.session and self.url and self.sequence)

    def saw(self, message: int, private: str = "") -> Checkpoint:
        """After a message, in that private channel if it was one."""
        known = self.private
        if private and private not in known:
            known = (*known, private)[-MOST_PRIVATE:]
        return replace(self, message=max(self.message, message), private=known)

    def encode(self) -> bytes:
        """As the kernel keeps it."""
        return json.dumps(asdict(self), separators=(",", ":")).encode()

    @classmethod
    def decode(cls, data: bytes) -> Checkpoint:
        """Reads it back; what cannot be read is no checkpoint."""
        try:
            found = json.loads(data or b"{}")
        except ValueError:
            return cls()
        if not isinstance(found, dict):
            return cls()
        private = found.get("private")
        texts = {
            name: text if isinstance(text := found.get(name), str) else "" for name in ("session", "url")
        }
        known = tuple(one for one in private if isinstance(one, str)) if isinstance(private, list) else ()
        numbers = {name: integer_of(found.get(name)) for name in ("sequence", "message")}
        return cls(texts["session"], texts["url"], numbers["sequence"], numbers["message"], known)
