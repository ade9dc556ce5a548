"""Comparisons of a rule: `conditions` with their fields and operators."""

from __future__ import annotations

from collections.abc import Callable

from jackfield.v1 import message_pb2, router_pb2

from .check import Check, expression, shown
from .errors import RuleInvalid
from .facts import CHAT_TYPES, Facts

SEGMENTS = frozenset(field.name for field in message_pb2.Segment.DESCRIPTOR.oneofs_by_name["content"].fields)
"""Kinds of segments that rules may name."""

Compare = Callable[[str, str], bool]
"""Whether a text (first) compares to the value of the condition (second)."""

_READ: dict[str, Callable[[Facts], str]] = {
    "chat_type": lambda facts: facts.chat_type,
    "chat_id": lambda facts: facts.chat_id,
    "thread_id": lambda facts: facts.event.chat.thread_id,
    "sender_id": lambda facts: facts.sender_id,
    "text": lambda facts: facts.text,
    "platform": lambda facts: facts.event.platform,
    "event": lambda facts: facts.event.type,
    "mention": lambda facts: "true" if facts.addressed else "false",
}
FIELDS = (*_READ, "segment")
"""What a condition may compare."""

_EXACT = (router_pb2.OPERATOR_EQUAL, router_pb2.OPERATOR_NOT_EQUAL)
_WORDS: dict[int, str] = {
    router_pb2.OPERATOR_EQUAL: "equals",
    router_pb2.OPERATOR_NOT_EQUAL: "differs from",
    router_pb2.OPERATOR_CONTAINS: "contains",
    router_pb2.OPERATOR_NOT_CONTAINS: "does not contain",
    router_pb2.OPERATOR_STARTS_WITH: "starts with",
    router_pb2.OPERATOR_REGEX: "matches",
}
_COMPARE: dict[int, Compare] = {
    router_pb2.OPERATOR_EQUAL: str.__eq__,
    router_pb2.OPERATOR_NOT_EQUAL: str.__ne__,
    router_pb2.OPERATOR_CONTAINS: str.__contains__,
    router_pb2.OPERATOR_NOT_CONTAINS: lambda text, value: value not in text,
    router_pb2.OPERATOR_STARTS_WITH: str.startswith,
}


def compile_condition(condition: router_pb2.Condition, *, rule: str, path: str) -> Check:
    """Compile one comparison; `path` names it in errors. RuleInvalid when a part of it does not fit."""
    field, operator, value = condition.field, condition.operator, condition.value
    if field not in FIELDS:
        raise RuleInvalid(f"{path}.field", f"{field!r} is unknown", f"one of {', '.join(FIELDS)}", rule=rule)
    if operator not in _WORDS:
        names = ", ".join(router_pb2.Operator.keys()[1:])
        raise RuleInvalid(f"{path}.operator", "it is not set or unknown", f"one of {names}", rule=rule)
    if field == "segment":
        return _segment(operator, value, rule, path)
    if field == "chat_type" and operator in _EXACT and value not in CHAT_TYPES:
        raise RuleInvalid(f"{path}.value", repr(value), f"one of {', '.join(CHAT_TYPES)}", rule=rule)
    if field == "mention" and (operator not in _EXACT or value not in ("true", "false")):
        raise RuleInvalid(
            path, f"mention {value!r}", "OPERATOR_EQUAL or OPERATOR_NOT_EQUAL to true or false", rule=rule
        )
    if not value and operator not in _EXACT:
        raise RuleInvalid(f"{path}.value", "it is empty, which every event satisfies", "some text", rule=rule)
    return _comparison(field, operator, value, rule, path)


def _comparison(field: str, operator: int, value: str, rule: str, path: str) -> Check:
    read = _READ[field]
    compare = _COMPARE.get(operator) or _searching(value, rule, path)
    words = f"expected that it {_WORDS[operator]} {shown(value)}"
    return Check(
        lambda facts: compare(read(facts), value),
        lambda facts: f"{path}: {field} is {shown(read(facts))}, {words}",
    )


def _searching(value: str, rule: str, path: str) -> Compare:
    search = expression(value, rule=rule, field=f"{path}.value")
    return lambda text, _: search(text.encode()) is not None


def _segment(operator: int, value: str, rule: str, path: str) -> Check:
    if operator not in _EXACT:
        raise RuleInvalid(
            f"{path}.operator",
            "a segment is there or is not",
            "OPERATOR_EQUAL or OPERATOR_NOT_EQUAL",
            rule=rule,
        )
    if value not in SEGMENTS:
        raise RuleInvalid(
            f"{path}.value", f"{value!r} is no segment", f"one of {', '.join(sorted(SEGMENTS))}", rule=rule
        )
    if operator == router_pb2.OPERATOR_EQUAL:
        return Check(
            lambda facts: value in facts.kinds, lambda _: f"{path}: the message has no {value} segment"
        )
    return Check(
        lambda facts: value not in facts.kinds, lambda _: f"{path}: the message has a {value} segment"
    )
