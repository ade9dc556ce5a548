"""RE2 expressions of the operator: linear in time, bounded in memory, compiled before the first message needs them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import re2
from jackfield_sdk import InvalidArgument

LARGEST_PROGRAM = 8 * 1024 * 1024


def compiled(pattern: str, field: str) -> Any:
    """The expression. Raises InvalidArgument that names the field."""
    options = re2.Options()
    options.max_mem = LARGEST_PROGRAM
    options.log_errors = False
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        words = error.args[0] if error.args else ""
        text = words.decode(errors="replace") if isinstance(words, bytes) else str(words)
        raise InvalidArgument(
            f"{field}: {pattern[:80]!r} is no RE2 expression: {text[:200]}",
            remedy="RE2 knows no look-around and no back-references; see https://github.com/google/re2/wiki/Syntax.",
            metadata={"field": field},
        ) from error


def any_of(words: Sequence[str], patterns: Sequence[str], field: str) -> Any | None:
    """One expression that finds every word, in any case, and every pattern; None when there are none."""
    for number, pattern in enumerate(patterns):
        compiled(pattern, f"{field}.regex[{number}]")
    parts = [f"(?i:{re2.escape(word)})" for word in sorted(words, key=len, reverse=True) if word]
    parts += [f"(?:{pattern})" for pattern in patterns]
    return compiled("|".join(parts), field) if parts else None
