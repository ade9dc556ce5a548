"""The rules of every bot, or of some, from the plugin's configuration."""

from __future__ import annotations

from typing import Any, NamedTuple

from google.protobuf.json_format import ParseDict, ParseError
from jackfield.v1 import router_pb2
from jackfield_sdk import InvalidArgument

KEY = "default_rules"
BOTS = "bots"


class DefaultRule(NamedTuple):
    """A rule and the bots that it is for; empty: every bot."""

    rule: router_pb2.Rule
    bots: frozenset[str] = frozenset()

    def is_for(self, bot: str) -> bool:
        """Whether the bot gets it."""
        return not self.bots or bot in self.bots


def default_rules(config: dict[str, Any]) -> list[DefaultRule]:
    """The configured rules in their order. Raises InvalidArgument that names the place of a wrong one."""
    return [_rule(number, value) for number, value in enumerate(config.get(KEY) or ())]


def _rule(number: int, value: dict[str, Any]) -> DefaultRule:
    rule = router_pb2.Rule()
    bots = value.get(BOTS, [])
    if not isinstance(bots, list) or not all(isinstance(bot, str) for bot in bots):
        raise _wrong(number, f"{BOTS} is no list of names")
    try:
        ParseDict({key: part for key, part in value.items() if key != BOTS}, rule)
    except ParseError as error:
        raise _wrong(number, str(error)) from error
    return DefaultRule(rule, frozenset(bots))


def _wrong(number: int, why: str) -> InvalidArgument:
    return InvalidArgument(
        f"{KEY}[{number}] is no rule: {why}",
        remedy="Write it in the JSON form of jackfield.v1.Rule, such as "
        "{id: echo, event: message.received, handler: echo}; `bots: [NAME]` narrows it to some bots.",
        metadata={"field": f"{KEY}[{number}]"},
    )
