"""Event patterns: `message.received`, `message.*`, `platform.<platform>.*`, `*`."""

from __future__ import annotations

import re
from typing import NamedTuple

EXPECTED = "an event type such as message.received, a namespace such as message.*, or *"

_PART = r"[A-Za-z0-9_-]+"
_EXACT = re.compile(rf"{_PART}(\.{_PART})+", re.ASCII)
_NAMESPACE = re.compile(rf"({_PART}(\.{_PART})*)\.\*", re.ASCII)
_EXACT_SPECIFICITY = 1_000
_ALIASES = {"platform.specific": "platform.*"}


class Pattern(NamedTuple):
    """A parsed pattern.

    Attributes:
        text: as it was written.
        exact: the event type, or "" for a wildcard.
        prefix: what a matching type begins with, ending in a dot; "" for `*` and for an exact type.
        specificity: larger is more specific: exact, then namespaces by their number of parts, then `*`.
    """

    text: str
    exact: str
    prefix: str
    specificity: int

    def matches(self, event_type: str) -> bool:
        """Whether events of this type fit."""
        return event_type == self.exact if self.exact else event_type.startswith(self.prefix)


def parse(text: str) -> Pattern:
    """Read a pattern. ValueError for anything else, such as `mess*` or `*.received`."""
    meant = _ALIASES.get(text, text)
    if meant == "*":
        return Pattern(text, "", "", 0)
    if namespace := _NAMESPACE.fullmatch(meant):
        return Pattern(text, "", namespace[1] + ".", namespace[1].count(".") + 1)
    if _EXACT.fullmatch(meant):
        return Pattern(text, meant, "", _EXACT_SPECIFICITY)
    raise ValueError(f"{text!r} is not {EXPECTED}")
