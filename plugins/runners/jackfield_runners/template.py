"""Texts with places to fill in: `{text}`, `{sender_id}`. What is filled in is never read as a template again."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

NAMES = frozenset(
    {
        "text",
        "session_id",
        "conversation_id",
        "user_id",
        "sender_id",
        "sender_name",
        "chat_id",
        "chat_type",
        "group_name",
        "bot",
        "platform",
        "message_id",
        "event_id",
        "time",
    }
)
"""What may be named in templates; headers may name `key` too."""
_PLACE = re.compile(r"\{\{|\}\}|\{([^{}]*)\}")


def fill(template: Any, values: Mapping[str, str]) -> Any:
    """The template, a JSON value, with all its texts filled in; a name that is not there becomes empty."""
    if isinstance(template, str):
        return _PLACE.sub(
            lambda place: place.group(0)[0] if place.group(1) is None else values.get(place.group(1), ""),
            template,
        )
    if isinstance(template, dict):
        return {key: fill(part, values) for key, part in template.items()}
    return [fill(part, values) for part in template] if isinstance(template, list) else template


def check(template: Any, names: frozenset[str] = NAMES) -> None:
    """Raises ValueError for a name that no message has."""
    if isinstance(template, str):
        for place in _PLACE.finditer(template):
            if place.group(1) is not None and place.group(1) not in names:
                raise ValueError(
                    f"{place.group(0)} is filled in by nothing; use one of: {', '.join(sorted(names))}; {{{{ is a brace"
                )
    elif isinstance(template, dict | list):
        for part in template.values() if isinstance(template, dict) else template:
            check(part, names)
