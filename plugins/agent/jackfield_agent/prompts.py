"""What the model reads: the instructions, and an event in words."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from datetime import datetime
from enum import Enum
from typing import Any

from jackfield_sdk import Event, InvalidArgument, Message, payload

_VARIABLE = re.compile(r"\{\{|\}\}|\{([^{}]*)\}")
_PLAIN = frozenset({"event_summary", "member_name", "group_name"})
_FIELDS = frozenset(field.name for field in dataclasses.fields(Event))
_PAYLOADS: frozenset[str] = frozenset(
    field.name
    for kind in vars(payload).values()
    if isinstance(kind, type) and dataclasses.is_dataclass(kind)
    for field in dataclasses.fields(kind)
)
LONGEST_VALUE = 4000


def check_template(template: str) -> None:
    """Raises InvalidArgument for a variable that no event can fill."""
    for match in _VARIABLE.finditer(template):
        name = match[1]
        if name is None:
            continue
        first = name.partition(".")[0]
        if first not in _PLAIN | _FIELDS | _PAYLOADS | {"data"}:
            raise InvalidArgument(
                f"prompt: there is no variable {{{name}}}",
                remedy="Use {event_summary}, {member_name}, {group_name} or a field of the event such as "
                "{type}, {sender.nickname}, {chat.id}; write {{ for a brace.",
                metadata={"field": "rule_config.prompt"},
            )


def render(template: str, event: Event) -> str:
    """The template with the event's values; what this event does not have is empty."""

    def value(match: re.Match[str]) -> str:
        if match[1] is None:
            return match[0][0]
        return _value(match[1], event)[:LONGEST_VALUE]

    return _VARIABLE.sub(value, template)


def summary(event: Event) -> str:
    """One line that says what happened."""
    who = _value("member_name", event) or "somebody"
    where = _value("group_name", event)
    text = event.text
    line = f"Event {event.type} by {who}" + (f" in {where}" if where else "")
    return f"{line}: {text}" if text else f"{line}."


def system_prompt(instructions: str, hint: str, now: datetime, event: Event) -> str:
    """Instructions, what the platform asks for, and the time."""
    parts = [instructions.strip()]
    if hint:
        parts.append(f"About the platform {event.platform}: {hint.strip()}")
    # The day alone: a text that changes with each minute could not be cached by a provider.
    parts.append(f"Today is {now:%A, %Y-%m-%d} (UTC).")
    return "\n\n".join(part for part in parts if part)


def _value(name: str, event: Event) -> str:
    if name == "event_summary":
        return summary(event)
    if name == "member_name":
        person = getattr(event.payload, "member", None) or getattr(event.payload, "user", None)
        return _name_of(person) or _name_of(event.sender)
    if name == "group_name":
        group = getattr(event.payload, "group", None)
        named = group.name or group.id if group is not None else ""
        return named or (event.chat.name or "" if event.chat is not None and not event.is_private else "")
    at: Any = event
    for number, part in enumerate(name.split(".")):
        if number == 0 and not hasattr(at, part):
            at = event.payload
        at = at.get(part) if isinstance(at, Mapping) else getattr(at, part, None)
    return _text(at)


def _name_of(person: Any) -> str:
    if person is None:
        return ""
    return str(person.remark or person.nickname or person.username or person.id)


def _text(value: Any) -> str:
    if value is None or value == "":
        return ""
    if isinstance(value, Message):
        return value.plain()
    if isinstance(value, Enum):
        return value.name.lower()
    if isinstance(value, bytes):
        return ""
    return str(value)
