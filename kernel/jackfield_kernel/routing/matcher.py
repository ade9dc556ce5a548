"""A rule, compiled: its limits checked once, its conditions as fast predicates, the cheap ones first."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

from google.protobuf.duration_pb2 import Duration
from jackfield.v1 import router_pb2

from . import pattern
from .check import Check, expression, shown
from .conditions import SEGMENTS, compile_condition
from .errors import RuleInvalid
from .facts import CHAT_TYPES, Facts, is_message_of_bot
from .senders import SetCheck, Sets, check_name

_ID = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
_HANDLER = re.compile(r"[a-z][a-z0-9-]{0,39}", re.ASCII)
_WINDOW = (0.1, 10.0)
_MERGED = (2, 10)


class CompiledRule:
    """One rule of a table.

    Attributes:
        rule: as it was pushed; nobody changes it.
        number: its place in the pushed list, from 0.
        pattern: of event types.
        checks, holds: conditions without sets, in the order in which they are tried; their predicates alone.
        sets: conditions on sender sets, tried last; None without any.
        from_bots: whether it sees messages of bots.
        ends: whether the chain ends with it, however it goes.
    """

    __slots__ = ("checks", "ends", "from_bots", "holds", "number", "pattern", "rule", "sets")

    def __init__(self, rule: router_pb2.Rule, number: int, sets: Sets) -> None:
        self.rule = rule
        self.number = number
        _check_limits(rule, number)
        self.pattern = _pattern(rule)
        self.checks = tuple(_checks(rule))
        self.holds: tuple[Callable[[Facts], bool], ...] = tuple(check.holds for check in self.checks)
        self.sets = _set_check(rule, sets)
        self.from_bots = rule.match.from_bots
        self.ends = not getattr(rule, "continue") and rule.on_error != router_pb2.ON_ERROR_NEXT

    @property
    def order(self) -> tuple[int, int, int]:
        """Sorts rules: larger priority, more specific pattern, place in the list."""
        return (-self.rule.priority, -self.pattern.specificity, self.number)

    def obstacle(self, facts: Facts) -> str:
        """Why the event does not match: the first condition that fails. Empty when it matches."""
        event = facts.event
        if self.rule.disabled:
            return "disabled: the rule is switched off"
        if not self.pattern.matches(event.type):
            return f"event: {shown(event.type)} does not fit {self.pattern.text}"
        if not self.from_bots and is_message_of_bot(event):
            return "from_bots: the sender is a bot, and the rule does not ask for messages of bots"
        for check in self.checks:
            if not check.holds(facts):
                return check.because(facts)
        verdict = self.sets.decide(facts) if self.sets else True
        if isinstance(verdict, str):
            return f"sender set {verdict} was never pushed: the event would wait"
        return "" if verdict or not self.sets else self.sets.because(facts)


def _check_limits(rule: router_pb2.Rule, number: int) -> None:
    if not _ID.fullmatch(rule.id):
        raise RuleInvalid("id", repr(rule.id), "1-64 characters of A-Za-z0-9._-", rule=f"#{number + 1}")
    if not _HANDLER.fullmatch(rule.handler):
        raise RuleInvalid("handler", repr(rule.handler), "the id of a plugin such as echo", rule=rule.id)
    if rule.on_error not in router_pb2.OnError.values():
        names = ", ".join(router_pb2.OnError.keys()[1:])
        raise RuleInvalid("on_error", f"{rule.on_error} is unknown", f"one of {names}", rule=rule.id)
    if rule.HasField("timeout") and _seconds(rule.timeout) <= 0:
        raise RuleInvalid("timeout", f"{_seconds(rule.timeout):g} s", "more than 0 s", rule=rule.id)
    _check_busy(rule)


def _check_busy(rule: router_pb2.Rule) -> None:
    busy = rule.busy
    if busy.mode not in router_pb2.BusyMode.values():
        names = ", ".join(router_pb2.BusyMode.keys()[1:])
        raise RuleInvalid("busy.mode", f"{busy.mode} is unknown", f"one of {names}", rule=rule.id)
    if busy.HasField("window") and not _WINDOW[0] <= _seconds(busy.window) <= _WINDOW[1]:
        raise RuleInvalid("busy.window", f"{_seconds(busy.window):g} s", "0.1 s to 10 s", rule=rule.id)
    if busy.max_merged and not _MERGED[0] <= busy.max_merged <= _MERGED[1]:
        raise RuleInvalid("busy.max_merged", f"{busy.max_merged}", "2 to 10", rule=rule.id)


def _seconds(duration: Duration) -> float:
    return duration.seconds + duration.nanos / 1e9


def _pattern(rule: router_pb2.Rule) -> pattern.Pattern:
    try:
        return pattern.parse(rule.event)
    except ValueError as error:
        raise RuleInvalid("event", repr(rule.event), pattern.EXPECTED, rule=rule.id) from error


def _checks(rule: router_pb2.Rule) -> Iterable[Check]:
    match = rule.match
    if match.chat_types:
        yield _chat_types(match.chat_types, rule.id)
    if match.chats:
        chats = _texts(match.chats, rule.id, "match.chats", "the id of a chat")
        yield Check(
            lambda facts: facts.chat_id in chats,
            lambda facts: f"chats: the chat is {shown(facts.chat_id)}, expected {_some(match.chats)}",
        )
    if match.senders:
        senders = _texts(match.senders, rule.id, "match.senders", "the id of a sender")
        yield Check(
            lambda facts: facts.sender_id in senders,
            lambda facts: f"senders: the sender is {shown(facts.sender_id)}, expected {_some(match.senders)}",
        )
    if match.mention:
        yield Check(
            lambda facts: facts.addressed,
            lambda _: "mention: the message does not mention the bot and the chat is not private",
        )
    if match.segments:
        yield _segments(match.segments, rule.id)
    if match.prefixes:
        prefixes = tuple(_texts(match.prefixes, rule.id, "match.prefixes", "what the text begins with"))
        yield Check(
            lambda facts: facts.command.startswith(prefixes),
            lambda facts: (
                f"prefixes: the text is {shown(facts.command)}, expected it to begin with {_some(prefixes)}"
            ),
        )
    for number, condition in enumerate(match.conditions):
        yield compile_condition(condition, rule=rule.id, path=f"match.conditions[{number}]")
    if match.regex:
        search = expression(match.regex, rule=rule.id, field="match.regex")
        yield Check(
            lambda facts: search(facts.encoded) is not None,
            lambda facts: (
                f"regex: the text is {shown(facts.text)}, expected it to match {shown(match.regex)}"
            ),
        )


def _chat_types(names: Sequence[str], rule: str) -> Check:
    for number, name in enumerate(names):
        if name not in CHAT_TYPES:
            expected = f"one of {', '.join(CHAT_TYPES)}"
            raise RuleInvalid(f"match.chat_types[{number}]", repr(name), expected, rule=rule)
    types = frozenset(names)
    return Check(
        lambda facts: facts.chat_type in types,
        lambda facts: f"chat_types: the chat is {facts.chat_type or 'absent'}, expected {_some(names)}",
    )


def _segments(names: Sequence[str], rule: str) -> Check:
    for number, name in enumerate(names):
        if name not in SEGMENTS:
            expected = f"one of {', '.join(sorted(SEGMENTS))}"
            raise RuleInvalid(f"match.segments[{number}]", f"{name!r} is no segment", expected, rule=rule)
    kinds = frozenset(names)
    return Check(
        lambda facts: not kinds.isdisjoint(facts.kinds),
        lambda facts: (
            f"segments: the message has {_some(sorted(facts.kinds)) or 'none'}, expected {_some(names)}"
        ),
    )


def _texts(values: Sequence[str], rule: str, field: str, expected: str) -> frozenset[str]:
    for number, value in enumerate(values):
        if not value:
            raise RuleInvalid(f"{field}[{number}]", "it is empty", expected, rule=rule)
    return frozenset(values)


def _set_check(rule: router_pb2.Rule, sets: Sets) -> SetCheck | None:
    match = rule.match
    for field in ("sender_sets", "not_sender_sets", "chat_sets", "not_chat_sets"):
        for number, name in enumerate(getattr(match, field)):
            check_name(name, rule=rule.id, field=f"match.{field}[{number}]")
    check = SetCheck(match, sets)
    return check if check.names else None


def _some(values: Iterable[str], limit: int = 5) -> str:
    listed = list(values)
    more = f" or {len(listed) - limit} more" if len(listed) > limit else ""
    return ", ".join(listed[:limit]) + more
