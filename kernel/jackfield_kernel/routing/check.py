"""One compiled condition, and the expressions that conditions are made of."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

import re2

from .errors import RuleInvalid
from .facts import Facts

REGEX_LIMIT = 2_000
"""Longest expression in characters."""

_REGEX_BYTES = 1 << 20


class Check(NamedTuple):
    """A condition of a rule.

    Attributes:
        holds: whether the event satisfies it; total, never raises.
        because: why it does not, for people.
    """

    holds: Callable[[Facts], bool]
    because: Callable[[Facts], str]


class Search(Protocol):
    """A compiled expression that is looked for anywhere in a text, given in UTF-8, in linear time."""

    def __call__(self, text: bytes, /) -> object | None:
        """A match, or None."""
        ...


def expression(pattern: str, *, rule: str, field: str) -> Search:
    """Compile an RE2 expression. RuleInvalid when it is empty, too long or not RE2."""
    if not 0 < len(pattern) <= REGEX_LIMIT:
        raise RuleInvalid(
            field,
            f"it has {len(pattern)} characters",
            f"an expression of 1-{REGEX_LIMIT} characters",
            rule=rule,
        )
    options = re2.Options()
    options.log_errors = False
    options.never_capture = True
    options.max_mem = _REGEX_BYTES
    try:
        search: Search = re2.compile(pattern, options).search
    except re2.error as error:
        raise RuleInvalid(
            field,
            f"{pattern!r} does not compile: {_words(error)}",
            "an RE2 expression",
            rule=rule,
            remedy="RE2 knows no look-around and no back-references; see https://github.com/google/re2/wiki/Syntax.",
        ) from error
    return search


def shown(text: str, limit: int = 60) -> str:
    """Text of a user inside an explanation: quoted and cut."""
    return repr(text if len(text) <= limit else text[: limit - 3] + "...")


def _words(error: re2.error) -> str:
    detail = error.args[0] if error.args else ""
    return detail.decode("utf-8", "replace") if isinstance(detail, bytes) else str(detail)
