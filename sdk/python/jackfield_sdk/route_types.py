"""Rules of a route table as plain classes."""

from __future__ import annotations

from datetime import timedelta
from enum import IntEnum
from typing import Any

from jackfield_sdk.plain import plain


class Operator(IntEnum):
    """How a condition compares."""

    UNSPECIFIED = 0
    EQUAL = 1
    NOT_EQUAL = 2
    CONTAINS = 3
    NOT_CONTAINS = 4
    STARTS_WITH = 5
    REGEX = 6


class OnError(IntEnum):
    """What happens after a delivery of the rule became a dead letter."""

    UNSPECIFIED = 0
    STOP = 1
    NEXT = 2
    NOTIFY = 3


class BusyMode(IntEnum):
    """What happens to an event whose lane is busy for its handler."""

    UNSPECIFIED = 0
    QUEUE = 1
    MERGE = 2
    INTERRUPT = 3
    REJECT = 4
    STEER = 5


@plain
class Condition:
    """One comparison."""

    field: str = ""
    operator: Operator = Operator.UNSPECIFIED
    value: str = ""


@plain
class Match:
    """Conditions of a rule beside its event pattern; all that are set must hold."""

    chat_types: tuple[str, ...] = ()
    chats: tuple[str, ...] = ()
    senders: tuple[str, ...] = ()
    sender_sets: tuple[str, ...] = ()
    not_sender_sets: tuple[str, ...] = ()
    mention: bool = False
    prefixes: tuple[str, ...] = ()
    regex: str = ""
    segments: tuple[str, ...] = ()
    from_bots: bool = False
    conditions: tuple[Condition, ...] = ()
    chat_sets: tuple[str, ...] = ()
    not_chat_sets: tuple[str, ...] = ()


@plain
class Busy:
    """Busy mode of a rule and its settings."""

    mode: BusyMode = BusyMode.UNSPECIFIED
    window: timedelta | None = None
    max_merged: int = 0
    reject_text: str = ""


@plain(kw_only=True)
class Rule:
    """Which events go to which handler, and how."""

    id: str = ""
    event: str = ""
    priority: int = 0
    disabled: bool = False
    description: str = ""
    match: Match | None = None
    handler: str = ""
    config: dict[str, Any] | None = None
    # The contract calls it `continue`.
    continues: bool = False
    on_error: OnError = OnError.UNSPECIFIED
    timeout: timedelta | None = None
    busy: Busy | None = None
    bypass: bool = False
    unordered: bool = False
    source: str = ""
