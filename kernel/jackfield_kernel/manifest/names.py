"""The names a manifest may use, each with its rule in one sentence."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError


def rule(pattern: str, expected: str) -> AfterValidator:
    """Build a validator that accepts text matching the whole `pattern`; `expected` says so to people."""
    compiled = re.compile(pattern, re.ASCII)

    def check(text: str) -> str:
        if not compiled.fullmatch(text):
            raise PydanticCustomError("expected", "{expected}", {"expected": expected})
        return text

    return AfterValidator(check)


PluginId = Annotated[
    str,
    rule(r"[a-z][a-z0-9-]{0,39}", "a lower-case letter, then up to 39 lower-case letters, digits or hyphens"),
]
Version = Annotated[
    str, rule(r"[0-9]+(\.[0-9]+)*([-+.]?[0-9A-Za-z]+)*", "a version such as 0.1.0 or 1.2.0rc1")
]
ServiceName = Annotated[
    str, rule(r"[a-z_]\w*(\.[a-z_]\w*)*\.[A-Z]\w*", "a full service name such as jackfield.v1.Handler")
]
ActionName = Annotated[str, rule(r"[a-z][a-z0-9_]*", "a snake_case name such as send_message")]
CommandName = Annotated[str, rule(r"[a-z0-9][a-z0-9_-]{0,31}", "a short lower-case name without a slash")]
EventName = Annotated[
    str, rule(r"[a-z][a-z0-9_-]*(\.[a-z0-9_-]+)*", "a dotted lower-case name such as message.received")
]
