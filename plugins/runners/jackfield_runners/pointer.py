"""JSON pointers (RFC 6901): where in a value something stands."""

from __future__ import annotations

from typing import Any

ABSENT = object()
"""What `at` returns for a place that is not there."""


def parts_of(pointer: str) -> tuple[str, ...]:
    """The steps of a pointer; the empty one means the whole value. Raises ValueError."""
    if not pointer:
        return ()
    if not pointer.startswith("/"):
        raise ValueError(f"{pointer!r} is no JSON pointer: it begins with a slash, such as /data/0/text")
    return tuple(part.replace("~1", "/").replace("~0", "~") for part in pointer[1:].split("/"))


def at(value: Any, parts: tuple[str, ...]) -> Any:
    """What stands there, or ABSENT. In a list the step `-1` is the last element."""
    for part in parts:
        if isinstance(value, dict):
            value = value.get(part, ABSENT)
        elif isinstance(value, list):
            value = _element(value, part)
        else:
            return ABSENT
    return value


def _element(value: list[Any], part: str) -> Any:
    if part == "-1":
        return value[-1] if value else ABSENT
    # Longer than any list is.
    if not part.isascii() or not part.isdigit() or len(part) > 9:
        return ABSENT
    return value[int(part)] if int(part) < len(value) else ABSENT
