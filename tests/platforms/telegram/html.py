"""Reads Telegram's HTML as its server does: strict about nesting, unknown tags and stray signs."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

TAGS = {
    "b": "bold", "strong": "bold", "i": "italic", "em": "italic", "u": "underline", "s": "strikethrough", "code": "code",
    "pre": "pre", "a": "text_link", "blockquote": "blockquote", "tg-spoiler": "spoiler",
}  # fmt: skip
_TOKEN = re.compile(
    r"<(/?)([a-z-]+)((?:\s+[a-z-]+=\"[^\"]*\")*)>|<|&(?:lt|gt|amp|quot|#\d+|#x[0-9a-f]+);|&|[^<&]+", re.I
)


class BadEntities(Exception):
    """`can't parse entities`."""


def parse(html: str) -> tuple[str, list[dict[str, Any]]]:
    """Text and entities."""
    text = ""
    entities: list[dict[str, Any]] = []
    stack: list[tuple[str, int, str]] = []
    for match in _TOKEN.finditer(html):
        token = match[0]
        if match[2] is not None:
            name, attributes = match[2].lower(), match[3]
            if name not in TAGS:
                raise BadEntities(f'Unsupported start tag "{name}"')
            if not match[1]:
                stack.append((name, _units(text), attributes))
                continue
            if not stack or stack[-1][0] != name:
                raise BadEntities(f'Unexpected end tag "{name}"')
            _, start, attributes = stack.pop()
            if _units(text) > start:
                entities.append(_entity(name, start, _units(text), attributes))
        elif token in ("<", "&"):
            raise BadEntities(f"stray {token}")
        else:
            text += unescape(token)
    if stack:
        raise BadEntities(f'Can\'t find end tag corresponding to start tag "{stack[-1][0]}"')
    return text, sorted(entities, key=lambda entity: (entity["offset"], -entity["length"]))


def _entity(name: str, start: int, end: int, attributes: str) -> dict[str, Any]:
    entity: dict[str, Any] = {"type": TAGS[name], "offset": start, "length": end - start}
    if name == "a" and (found := re.search(r'href="([^"]*)"', attributes)):
        entity["url"] = unescape(found[1])
    return entity


def _units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2
