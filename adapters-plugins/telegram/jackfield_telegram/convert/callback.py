"""What stands behind a button: Telegram carries 64 bytes of it. What is longer is kept under a key that the button carries."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from jackfield_sdk import InteractionKind

# Bytes of `callback_data`.
LARGEST_DATA = 64
_KEY = "#"
_LETTERS = {"b": InteractionKind.BUTTON, "s": InteractionKind.SELECT, "f": InteractionKind.FORM}
# Of the adapter's own like and dislike.
LIKE, DISLIKE = "@like", "@dislike"


@dataclass(frozen=True, slots=True)
class Pressed:
    """The meaning of one button."""

    kind: InteractionKind
    action_id: str
    controls_id: str = ""
    value: str = ""

    @property
    def values(self) -> dict[str, Any] | None:
        """As the contract writes what was chosen."""
        if self.kind is InteractionKind.SELECT:
            return {"values": [self.value]}
        return {"value": self.value} if self.value else None

    def text(self) -> str:
        """The meaning as JSON, without empty parts at the end."""
        letter = next(key for key, kind in _LETTERS.items() if kind is self.kind)
        parts = [letter, self.action_id, self.controls_id, self.value]
        while not parts[-1]:
            parts.pop()
        return json.dumps(parts, ensure_ascii=False, separators=(",", ":"))

    def encode(self) -> tuple[str, str]:
        """The callback data, and what has to be kept under `stored_key` of it; empty when nothing has to be."""
        text = self.text()
        if len(text.encode()) <= LARGEST_DATA:
            return text, ""
        return _KEY + hashlib.sha256(text.encode()).hexdigest()[:40], text


def stored_key(data: str) -> str:
    """The key under which the meaning of callback data is kept; empty when the data says all."""
    return f"button/{data[1:]}" if data.startswith(_KEY) and len(data) == 41 else ""


def pressed_of(data: str, stored: str = "") -> Pressed:
    """The meaning of callback data. Data of other origin is the action's id itself."""
    text = stored or data
    if text.startswith("["):
        try:
            parts = json.loads(text)
        except (ValueError, RecursionError):
            parts = None
        if (
            isinstance(parts, list)
            and 2 <= len(parts) <= 4
            and all(isinstance(part, str) for part in parts)
            and parts[0] in _LETTERS
        ):
            return Pressed(_LETTERS[parts[0]], *parts[1:])
    return Pressed(InteractionKind.BUTTON, data)
