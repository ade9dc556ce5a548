"""Long text in chunks that a platform takes, counted in the platform's own unit; every character stands in exactly one chunk.

A chunk never ends inside a surrogate pair, a character with its marks, an escape (`\\*`), inline code, a link or an address, as
long as that fits into a chunk at all. A fenced block of code that is split is closed and opened again: the only characters added.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Literal

Unit = Literal["utf16", "codepoints", "bytes"]
Span = tuple[int, int]

# Chunks smaller than this cannot be filled sensibly.
SMALLEST_LIMIT = 16
# A fence with a longer mark is text.
LONGEST_MARK = 16
LONGEST_LANGUAGE = 16
# Where to split, the best first; each match ends at a place that may follow.
_PLACES = (
    re.compile(r"\n[ \t]*\n+"),
    re.compile(r"\n"),
    re.compile(r"[.!?…]\s+|[。！？]"),
    re.compile(r"\s+"),
)
_ADDRESS = re.compile(r"(?:https?|tg|mailto):[^\s)\]>]+", re.IGNORECASE)
_MARKDOWN = re.compile(r"\\.|`[^`\n]+`|!?\[[^\]\n]*\]\([^)\n]*\)|<[^<>\s]+>", re.DOTALL)
_FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})([^\n`]*)$", re.MULTILINE)
_JOINERS = frozenset("\u200d\ufe0e\ufe0f")


def length(text: str, unit: Unit) -> int:
    """How long the platform finds the text."""
    if unit == "codepoints":
        return len(text)
    if unit == "bytes":
        return sum(_bytes(c) for c in text)
    return len(text) + sum(c > "\uffff" for c in text)


def fitting(text: str, room: int, unit: Unit) -> int:
    """Number of leading characters of `text` that fit into `room` units."""
    if unit == "codepoints":
        return min(len(text), max(0, room))
    used = 0
    for index, character in enumerate(text):
        used += _bytes(character) if unit == "bytes" else 1 + (character > "\uffff")
        if used > room:
            return index
    return len(text)


def cut(text: str, room: int, unit: Unit, whole: Iterable[Span] = ()) -> int:
    """Index after the last good place of the first `room` units, at least 1; the end when all of it fits.

    `whole` are spans (start, end) that stay together unless one alone is longer than the room.
    """
    end = fitting(text, room, unit)
    if end >= len(text):
        return len(text)
    end = max(1, end)
    spans = [*whole, *_addresses(text, end)]
    for place in _PLACES:
        for match in reversed(list(place.finditer(text, 0, end))):
            if match.end() < max(1, end // 4):
                break
            if not _inside(match.end(), spans):
                return match.end()
    for start, stop in sorted(spans, reverse=True):
        if 0 < start < end < stop:
            end = start
    return _back_to_a_character(text, end)


def split(
    text: str, limit: int, unit: Unit = "codepoints", *, first: int | None = None, markdown: bool = True
) -> list[str]:
    """Chunks of at most `limit` units, the first of at most `first`. Raises ValueError for a limit below 16.

    Without `markdown` nothing is read into backslashes, backticks and brackets.
    """
    room = limit if first is None else first
    if min(limit, room) < SMALLEST_LIMIT:
        raise ValueError(f"a chunk holds at least {SMALLEST_LIMIT} units")
    chunks: list[str] = []
    reopen = ""
    while length(reopen + text, unit) > room:
        chunk, reopen, text = _take(text, room, unit, reopen, markdown)
        chunks.append(chunk)
        room = limit
    if text:
        chunks.append(reopen + text)
    return chunks


def _take(text: str, room: int, unit: Unit, reopen: str, markdown: bool) -> tuple[str, str, str]:
    """One chunk, how the next one begins, and what is left."""
    inner = room - length(reopen, unit)
    # Room for a closing fence is kept where one may be needed.
    spare = (
        LONGEST_MARK + 1
        if markdown and room > 8 * LONGEST_MARK and ("```" in text or "~~~" in text or reopen)
        else 0
    )
    whole = _kept_together(text, inner) if markdown else ()
    end = cut(text, inner - spare, unit, whole)
    chunk = reopen + text[:end]
    fence = open_fence(chunk) if spare else None
    if fence is None:
        return chunk, "", text[end:]
    mark, language = fence
    closing = mark if chunk.endswith("\n") else f"\n{mark}"
    return chunk + closing, f"{mark}{language[:LONGEST_LANGUAGE]}\n", text[end:]


def open_fence(text: str) -> tuple[str, str] | None:
    """Mark and language of the fenced block that is still open at the end of the text."""
    opened: tuple[str, str] | None = None
    for match in _FENCE.finditer(text):
        mark, words = match[1], match[2].strip()
        if opened is None:
            opened = (mark, words.split()[0] if words else "") if len(mark) <= LONGEST_MARK else None
        elif mark.startswith(opened[0]) and not words:
            opened = None
    return opened


def _kept_together(text: str, window: int) -> Sequence[Span]:
    return [match.span() for match in _MARKDOWN.finditer(text, 0, window + 2048) if match.start() < window]


def _addresses(text: str, window: int) -> list[Span]:
    return [match.span() for match in _ADDRESS.finditer(text, 0, window + 2048) if match.start() < window]


def _inside(index: int, spans: Iterable[Span]) -> bool:
    return any(start < index < end for start, end in spans)


def _back_to_a_character(text: str, end: int) -> int:
    """The nearest earlier end that parts no pair and no character from its marks; `end` itself where there is none."""
    for index in range(end, max(0, end - 32), -1):
        before, after = text[index - 1], text[index]
        joined = (
            unicodedata.combining(after)
            or after in _JOINERS
            or before == "\u200d"
            or (before == "\r" and after == "\n")
            or ("\ud800" <= before <= "\udbff" and "\udc00" <= after <= "\udfff")
            or "\U0001f3fb" <= after <= "\U0001f3ff"
        )
        if not joined:
            return index
    return end


def _bytes(character: str) -> int:
    if character < "\x80":
        return 1
    if character < "\u0800":
        return 2
    return 3 if character <= "\uffff" else 4
