"""Text without what stands between think tags, also while it grows."""

from __future__ import annotations

import re

_TAG = re.compile(r"<(think|thinking)>(.*?)(?:</\1>\s*|\Z)", re.DOTALL | re.IGNORECASE)
_TAGS = ("<think>", "<thinking>")


def without_thoughts(text: str) -> str:
    """The text with closed and open thoughts left out, and with the beginning of a tag at its end held back.

    Made for a text so far: a later, longer text shows what was held back and turned out to be no tag.
    """
    shown = _TAG.sub("", text)
    start = shown.rfind("<")
    if start >= 0 and any(tag.startswith(shown[start:].lower()) for tag in _TAGS):
        shown = shown[:start]
    return shown.lstrip() if shown is not text else text


def settled(text: str) -> str:
    """The same for a text that grows no more: nothing is held back."""
    shown = _TAG.sub("", text)
    return shown.lstrip() if shown != text else text
