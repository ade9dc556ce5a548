"""A message as the text of an answer."""

from __future__ import annotations

import re

from jackfield_sdk import Message, Text


def text_of(message: Message) -> tuple[str, tuple[str, ...]]:
    """The text, and the names of segments that became words. Media with an address become a link in Markdown."""
    parts: list[str] = []
    degraded: list[str] = []
    for segment in message:
        if isinstance(segment, Text):
            parts.append(segment.text)
            continue
        name = re.sub("(?<!^)(?=[A-Z])", "_", type(segment).__name__.removesuffix("Segment")).lower()
        degraded.append(name)
        media = getattr(segment, "media", None)
        if media is not None and media.url:
            parts.append(f"[{media.name or name}]({media.url})")
        else:
            parts.append(Message(segment).plain())
    return "".join(parts), tuple(dict.fromkeys(degraded))
