"""Single values: ids, times, host paths. OneBot endpoints mix integers and strings freely."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from jackfield_sdk import InvalidArgument

_INTEGER = re.compile(r"-?[1-9][0-9]{0,18}|0")
_HOST_PATH = re.compile(r"file:|[/\\~]|[A-Za-z]:[\\/]|\.{1,2}[\\/]", re.IGNORECASE)
_WEB = re.compile(r"https?://", re.IGNORECASE)
# Keys of native parameters that endpoints read as files of their own host.
_FILE_KEYS = frozenset({"file", "path", "url", "cover", "image", "thumb", "voice", "video", "audio"})
# Levels of tables and lists in native data that is handed on.
DEEPEST = 10
_CODE_WITH_PATH = re.compile(
    r"(?:file|path|url|cover|image|thumb|voice|video|audio)\s*=\s*(?:file:|[/\\~.]|[A-Za-z]:[\\/])",
    re.IGNORECASE,
)
# Years 1970 to 9999; anything else is no time.
_LAST_SECOND = 253_402_300_799


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
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [well_formed(item) for item in value]
    if isinstance(value, dict):
        return {well_formed(key): well_formed(item) for key, item in value.items()}
    return value


def text_of(value: Any) -> str:
    """A string of whatever scalar came; empty for nothing and for tables."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value) if isinstance(value, int | float) else ""


def id_of(value: Any) -> str:
    """An id as text. Zero means nobody in OneBot."""
    text = text_of(value)
    return "" if text == "0" else text


def native_id(text: str) -> int | str:
    """An id as the platform wants it: integers as integers, everything else unchanged."""
    return int(text) if _INTEGER.fullmatch(text) else text


def integer_of(value: Any) -> int | None:
    """A whole number of what came, or None."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            return int(value)
        except (OverflowError, ValueError):
            return None
    if isinstance(value, str) and _INTEGER.fullmatch(value.strip()):
        return int(value)
    return None


def float_of(value: Any) -> float:
    """A number of what came, else 0."""
    try:
        return float(text_of(value) or 0)
    except ValueError:
        return 0.0


def time_of(value: Any) -> datetime | None:
    """Seconds since the epoch as a time; None when there is none."""
    seconds = integer_of(value)
    if not seconds or not 0 < seconds <= _LAST_SECOND:
        return None
    return datetime.fromtimestamp(seconds, UTC)


def is_web(text: str) -> bool:
    """True for an http or https address."""
    return _WEB.match(text) is not None


def is_host_path(text: str) -> bool:
    """True for what names a file of some machine."""
    return _HOST_PATH.match(text.strip()) is not None


def refuse_host_paths(value: Any, key: str = "") -> None:
    """Raises InvalidArgument when parameters would make the endpoint read a file of its own host."""
    if isinstance(value, Mapping):
        for name, item in value.items():
            refuse_host_paths(item, str(name))
    elif isinstance(value, list | tuple):
        for item in value:
            refuse_host_paths(item, key)
    elif isinstance(value, str):
        if key.lower() in _FILE_KEYS and is_host_path(value):
            raise InvalidArgument(
                f"{key} names a file of the host, which no caller may read",
                remedy="Give an address, base64://... or a name that the platform handed out.",
                metadata={"field": key},
            )
        if "[CQ:" in value and _CODE_WITH_PATH.search(value):
            raise InvalidArgument("a CQ code names a file of the host", metadata={"field": key})
