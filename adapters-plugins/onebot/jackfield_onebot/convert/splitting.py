"""Long text in parts, never cut short: every character stands in exactly one part."""

from __future__ import annotations

import re
from collections.abc import Iterator

# Where to split, the best first; each match ends at a place that may follow.
_PLACES = (
    re.compile(r"\n[ \t]*\n+"),
    re.compile(r"\n"),
    re.compile(r"[.!?…](?=\s)\s+|[。！？]"),
    re.compile(r"\s+"),
)
_LINK = re.compile(r"https?://\S+", re.IGNORECASE)
_FENCE = re.compile(r"^(```+|~~~+)([^\n`]*)$", re.MULTILINE)


def split(text: str, limit: int, first: int | None = None) -> Iterator[str]:
    """Parts of at most `limit` code points; the first of at most `first`.

    A fenced block of code that is split is closed and opened again, the only characters that are added.
    """
    room = limit if first is None else first
    reopen = ""
    while len(reopen) + len(text) > room:
        # Room for the closing fence is kept in any case.
        end = _end(text, max(1, room - len(reopen) - 8)) if room > len(reopen) + 8 else max(1, room)
        part, text = reopen + text[:end], text[end:]
        fence = _open_fence(part)
        if fence and room > 64:
            mark, language = fence
            yield part + ("" if part.endswith("\n") else "\n") + mark
            reopen = f"{mark}{language[:32]}\n"
        else:
            yield part
            reopen = ""
        room = limit
    if text:
        yield reopen + text


def _end(text: str, room: int) -> int:
    """Index after the last good place within `room` characters; not below a quarter of it."""
    window = text[:room]
    for place in _PLACES:
        ends = [match.end() for match in place.finditer(window)]
        if ends and ends[-1] >= room // 4:
            return ends[-1]
    for link in _LINK.finditer(text[: room + 2048]):
        if link.start() < room < link.end() and link.start() > 0:
            return link.start()
    return room


def _open_fence(part: str) -> tuple[str, str] | None:
    """Mark and language of the block of code that is still open at the end."""
    opened: tuple[str, str] | None = None
    for match in _FENCE.finditer(part):
        if opened is None:
            opened = match[1], match[2]
        elif match[1].startswith(opened[0]) and not match[2].strip():
            opened = None
    return opened
