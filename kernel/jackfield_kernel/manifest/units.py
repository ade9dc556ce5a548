"""Durations (`0.5s`, `24h`) and sizes (`256MiB`) as people write them in YAML."""

from __future__ import annotations

import math
import re
from typing import Annotated

from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_BYTES = {
    "B": 1,
    "kB": 10**3,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
}
_QUANTITY = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]+)", re.ASCII)


def parse_duration(value: object) -> float:
    """Return `value` in seconds; a bare number is taken as seconds.

    Raises ValueError for anything else than a non-negative number or text such as `500ms` or `24h`.
    """
    return _quantity(value, _SECONDS, "a duration such as 500ms, 0.5s, 10m, 24h or 7d")


def parse_size(value: object) -> int:
    """Return `value` in bytes; a bare number is taken as bytes.

    Raises ValueError for anything else than a non-negative number or text such as `64KiB`, `256MiB`, `1GiB`.
    """
    return int(_quantity(value, _BYTES, "a size such as 64KiB, 256MiB or 1GiB"))


def _quantity(value: object, units: dict[str, float] | dict[str, int], expected: str) -> float:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        if math.isfinite(value) and value >= 0:
            return float(value)
    elif isinstance(value, str):
        match = _QUANTITY.fullmatch(value.strip())
        if match and match[2] in units:
            return float(match[1]) * units[match[2]]
        if re.fullmatch(r"[0-9]+(\.[0-9]+)?", value.strip(), re.ASCII):
            return float(value)
    raise ValueError(expected)


def _duration(value: object) -> float:
    try:
        return parse_duration(value)
    except ValueError as error:
        raise PydanticCustomError("expected", "{expected}", {"expected": str(error)}) from error


def _size(value: object) -> int:
    try:
        return parse_size(value)
    except ValueError as error:
        raise PydanticCustomError("expected", "{expected}", {"expected": str(error)}) from error


Duration = Annotated[float, BeforeValidator(_duration)]
"""Seconds."""

Size = Annotated[int, BeforeValidator(_size)]
"""Bytes."""
