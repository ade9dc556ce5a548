"""Single values of native JSON, read so that nothing malformed raises."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

# 2015-01-01, in milliseconds since the Unix epoch: where Discord's ids begin to count.
EPOCH_MS = 1_420_070_400_000
_SNOWFLAKE = re.compile(r"[0-9]{1,20}")


def table(value: Any) -> dict[str, Any]:
    """A JSON object, empty for anything else."""
    return value if isinstance(value, dict) else {}


def tables(value: Any) -> list[dict[str, Any]]:
    """The objects of a JSON array, none for anything else."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def text_of(value: Any) -> str:
    """A string of a string or a whole number; empty for everything else."""
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else ""


def integer_of(value: Any) -> int:
    """A whole number, 0 where there is none."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    return int(value) if isinstance(value, str) and _SNOWFLAKE.fullmatch(value) else 0


def is_snowflake(text: str) -> bool:
    """True for what can stand in an address as an id."""
    return _SNOWFLAKE.fullmatch(text) is not None


def time_of(value: Any) -> datetime | None:
    """An ISO 8601 time, None where there is none."""
    if not isinstance(value, str):
        return None
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def snowflake_time(snowflake: str | int) -> datetime | None:
    """When an id was made."""
    milliseconds = (integer_of(snowflake) >> 22) + EPOCH_MS
    try:
        return datetime.fromtimestamp(milliseconds / 1000, UTC)
    except (OverflowError, ValueError, OSError):
        return None


def snowflake_at(moment: datetime) -> int:
    """The smallest id of a moment."""
    return max(0, int(moment.timestamp() * 1000) - EPOCH_MS) << 22


def well_formed(value: Any) -> Any:
    """The same JSON value with every half of a surrogate pair replaced: no UTF-8 text can hold one."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [well_formed(item) for item in value]
    if isinstance(value, Mapping):
        return {well_formed(key): well_formed(item) for key, item in value.items()}
    return value
