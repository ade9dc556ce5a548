"""Single values of native objects. Nothing here raises: what is not as expected is as if it were not there."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

_INTEGER = re.compile(r"-?[1-9][0-9]{0,18}|0")
_SURROGATE = re.compile("[\ud800-\udfff]")
# Levels of tables and lists in native data that is handed on.
DEEPEST = 12
# Up to the year 9999.
_LAST_SECOND = 253_402_300_799


def table(value: Any) -> Mapping[str, Any]:
    """The object itself, or an empty one for anything else."""
    return value if isinstance(value, Mapping) else {}


def tables(value: Any) -> list[Mapping[str, Any]]:
    """The objects of a list."""
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


def text_of(value: Any) -> str:
    """A string, or a whole number as one; empty for anything else."""
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else ""


def integer_of(value: Any) -> int | None:
    """A whole number, or None."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def number_of(value: Any) -> float:
    """A number, else 0."""
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else 0.0


def time_of(value: Any) -> datetime | None:
    """Seconds since the epoch as a time; None when there is none."""
    seconds = integer_of(value)
    return datetime.fromtimestamp(seconds, UTC) if seconds and 0 < seconds <= _LAST_SECOND else None


def native_id(text: str) -> int | str:
    """An id as the platform wants it: integers as integers, names unchanged."""
    return int(text) if _INTEGER.fullmatch(text) else text


def shallow(native: Mapping[str, Any]) -> dict[str, Any]:
    """A copy without what lies deeper than `DEEPEST` levels: protobuf readers refuse deep nesting."""
    return {str(key): _cut(value, DEEPEST) for key, value in native.items()}


def _cut(value: Any, levels: int) -> Any:
    if isinstance(value, Mapping):
        return {str(k): _cut(v, levels - 1) for k, v in value.items()} if levels else "..."
    if isinstance(value, list):
        return [_cut(item, levels - 1) for item in value] if levels else "..."
    return value


def well_formed(value: Any) -> Any:
    """The same JSON value with every half of a surrogate pair replaced: no UTF-8 text can hold one."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, list):
        return [well_formed(item) for item in value]
    if isinstance(value, dict):
        return {well_formed(key): well_formed(item) for key, item in value.items()}
    return value


def clean(text: str) -> str:
    """Text that can be written as UTF-8."""
    if _SURROGATE.search(text) is None:
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
