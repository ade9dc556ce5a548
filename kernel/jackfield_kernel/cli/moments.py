"""Moments on the command line: how long ago, or a date and time."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import typer

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_AGO = re.compile(r"(\d{1,6})([smhd])")


def moment(text: str) -> datetime | None:
    """`90s`, `15m`, `2h`, `7d` before now, or an ISO time, local when it names no zone; None for an empty text."""
    if not text:
        return None
    if found := _AGO.fullmatch(text):
        return datetime.now(UTC) - timedelta(**{_UNITS[found[2]]: int(found[1])})
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise typer.BadParameter(f"{text!r} is neither such as 15m, 2h, 7d nor a time") from error
