"""Event patterns: `message.received`, `message.*`, `platform.<platform>.*`, `*`."""

from __future__ import annotations


def matches(pattern: str, event_type: str) -> bool:
    """True when the event type fits the pattern; `platform.specific` is an alias of `platform.*`."""
    if pattern == "*":
        return True
    if pattern == "platform.specific":
        pattern = "platform.*"
    if pattern.endswith(".*"):
        return event_type.startswith(pattern[:-1])
    return pattern == event_type


def specificity(pattern: str) -> int:
    """Sorts patterns: an exact type above a longer namespace above a shorter one above `*`."""
    if pattern == "*":
        return 0
    if pattern.endswith(".*") or pattern == "platform.specific":
        return pattern.count(".")
    return 100


def check(pattern: str) -> str:
    """Gives the pattern back, or raises ValueError with an example."""
    body = pattern[:-2] if pattern.endswith(".*") else pattern
    if pattern != "*" and (not body or "*" in body or " " in body or ("." not in pattern)):
        raise ValueError(f"not an event pattern: {pattern!r}; write message.received, message.* or *")
    return pattern
