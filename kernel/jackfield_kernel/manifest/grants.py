"""The grammar of grants a manifest may ask for, and of event patterns."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

from .names import rule
from .problem import suggestion
from .units import parse_size

_EVENT_PATTERN = r"\*|[a-z][a-z0-9_-]*(\.[a-z0-9_-]+)*(\.\*)?"
_PLAIN = ("reply", "send", "read", "manage", "routes", "catalog", "cancel-lane", "network", "ingress", "kv")
_WITH_ARGUMENT = {
    "call": (r"[a-z_]\w*(\.[a-z_]\w*)*\.[A-Z]\w*(/[A-Z]\w*)?", "call:<package.Service>[/Method]"),
    "observe": (_EVENT_PATTERN, "observe:<event pattern>, such as observe:message.*"),
    "secret": (r"[A-Za-z0-9][A-Za-z0-9_.-]*", "secret:<name>"),
    "admin": (r"admin|operator|viewer", "admin:admin, admin:operator or admin:viewer"),
}

EventPattern = Annotated[
    str, rule(_EVENT_PATTERN, "an event type such as message.received, or a pattern such as message.* or *")
]


def _grant(text: str) -> str:
    name, colon, argument = text.partition(":")
    if not colon and name in _PLAIN:
        return text
    if name == "kv" and colon:
        try:
            parse_size(argument)
        except ValueError as error:
            raise _wrong("kv:<size>, such as kv:16MiB") from error
        return text
    if name in _WITH_ARGUMENT:
        pattern, shape = _WITH_ARGUMENT[name]
        if re.fullmatch(pattern, argument, re.ASCII):
            return text
        raise _wrong(shape)
    meant = suggestion(name, (*_PLAIN, *_WITH_ARGUMENT))
    raise _wrong(
        f"a grant: {', '.join((*_PLAIN, *(f'{grant}:...' for grant in _WITH_ARGUMENT)))}",
        f"Did you mean {meant}?" if meant else f"Remove {text}.",
    )


def _wrong(expected: str, remedy: str = "") -> PydanticCustomError:
    return PydanticCustomError("expected", "{expected}", {"expected": expected, "remedy": remedy})


Grant = Annotated[str, AfterValidator(_grant)]
