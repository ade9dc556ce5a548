"""The rules of every bot, or of some, from the plugin's configuration."""

from __future__ import annotations

from typing import Any, NamedTuple

from google.protobuf.json_format import ParseDict, ParseError
from jackfield.v1 import router_pb2
from jackfield_sdk import InvalidArgument

from jackfield_router.catalog import Catalog

KEY = "default_rules"
GUARDS = "guard_rules"
BOTS = "bots"
NEEDS = "needs"
BOT = "{bot}"


class DefaultRule(NamedTuple):
    """A rule and whom it is for.

    Attributes:
        value: the rule in the JSON form of the contract; `{bot}` in a guard's texts stands for the bot.
        bots: the bots that it is for; empty: every bot.
        needs: a plugin without which it is left out.
        guard: it stands before all others, for bots that the operator added.
    """

    value: dict[str, Any]
    bots: frozenset[str] = frozenset()
    needs: str = ""
    guard: bool = False

    def is_for(self, bot: str, catalog: Catalog) -> bool:
        """Whether the bot gets it. A rule makes way when its handler is switched off; a guard never does: the bot stays closed."""
        if self.needs and self.needs not in catalog.plugins:
            return False
        if bot in catalog.brought if self.guard else self.value.get("handler") in catalog.off:
            return False
        return not self.bots or bot in self.bots

    def rule_of(self, bot: str) -> router_pb2.Rule:
        """The rule as it stands in the table of a bot."""
        return ParseDict(_named(self.value, bot) if self.guard else self.value, router_pb2.Rule())


def default_rules(config: dict[str, Any]) -> list[DefaultRule]:
    """The configured rules in their order, guards first. Raises InvalidArgument that names the place of a wrong one."""
    return [
        _rule(key, number, value)
        for key in (GUARDS, KEY)
        for number, value in enumerate(config.get(key) or ())
    ]


def _rule(key: str, number: int, value: dict[str, Any]) -> DefaultRule:
    bots = value.get(BOTS, [])
    if not isinstance(bots, list) or not all(isinstance(bot, str) for bot in bots):
        raise _wrong(key, number, f"{BOTS} is no list of names")
    needs = value.get(NEEDS, "")
    if not isinstance(needs, str):
        raise _wrong(key, number, f"{NEEDS} is no id of a plugin")
    kept = {name: part for name, part in value.items() if name not in (BOTS, NEEDS)}
    rule = DefaultRule(kept, frozenset(bots), needs, guard=key == GUARDS)
    try:
        rule.rule_of("bot")
    except ParseError as error:
        raise _wrong(key, number, str(error)) from error
    return rule


def _named(value: Any, bot: str) -> Any:
    """The value with the bot's name in its texts."""
    if isinstance(value, str):
        return value.replace(BOT, bot)
    if isinstance(value, dict):
        return {key: _named(part, bot) for key, part in value.items()}
    return [_named(part, bot) for part in value] if isinstance(value, list) else value


def _wrong(key: str, number: int, why: str) -> InvalidArgument:
    return InvalidArgument(
        f"{key}[{number}] is no rule: {why}",
        remedy="Write it in the JSON form of jackfield.v1.Rule, such as "
        "{id: echo, event: message.received, handler: echo}; `bots: [NAME]` narrows it to some bots.",
        metadata={"field": f"{key}[{number}]"},
    )
