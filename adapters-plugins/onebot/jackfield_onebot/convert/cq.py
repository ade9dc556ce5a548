"""CQ codes: the string form of a message, `look [CQ:image,file=a.png]`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

NativeSegment = dict[str, Any]

_CODE = re.compile(r"\[CQ:([A-Za-z0-9_.-]+)((?:,[^,\[\]]*)*)\]")
_ENTITY = re.compile(r"&(?:amp|#91|#93|#44);")
_MEANING: Mapping[str, str] = {"&amp;": "&", "&#91;": "[", "&#93;": "]", "&#44;": ","}


def escape(text: str, *, in_code: bool = False) -> str:
    """Text as it stands in a CQ string; inside a code the comma is escaped too."""
    text = text.replace("&", "&amp;").replace("[", "&#91;").replace("]", "&#93;")
    return text.replace(",", "&#44;") if in_code else text


def unescape(text: str) -> str:
    """The text that was meant. One pass, so that `&amp;#91;` stays `&#91;`."""
    return _ENTITY.sub(lambda match: _MEANING[match[0]], text) if "&" in text else text


def parse(string: str) -> list[NativeSegment]:
    """The array form of a CQ string. What is no well-formed code stays text, character by character."""
    segments: list[NativeSegment] = []
    end = 0
    for match in _CODE.finditer(string):
        _add_text(segments, string[end : match.start()])
        segments.append({"type": match[1], "data": _parameters(match[2])})
        end = match.end()
    _add_text(segments, string[end:])
    return segments


def render(segments: Iterable[Mapping[str, Any]]) -> str:
    """The string form of an array message."""
    parts: list[str] = []
    for segment in segments:
        kind, data = segment["type"], segment.get("data") or {}
        if kind == "text":
            parts.append(escape(str(data.get("text", ""))))
            continue
        parameters = "".join(f",{key}={escape(str(value), in_code=True)}" for key, value in data.items())
        parts.append(f"[CQ:{kind}{parameters}]")
    return "".join(parts)


def _parameters(text: str) -> dict[str, str]:
    pairs = (part.partition("=") for part in text.split(",")[1:])
    return {key.strip(): unescape(value) for key, _, value in pairs if key.strip()}


def _add_text(segments: list[NativeSegment], text: str) -> None:
    if text:
        segments.append({"type": "text", "data": {"text": unescape(text)}})
