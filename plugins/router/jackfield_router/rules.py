"""The rules of one bot: added for good, added for a while, and the defaults behind them."""

from __future__ import annotations

from collections.abc import Iterable, Set
from dataclasses import dataclass, field
from typing import NamedTuple

from jackfield.v1 import router_pb2

ADMIN = "admin"
TEMPORARY = "temporary"
DEFAULT = "default"


class Temporary(NamedTuple):
    """A rule that vanishes at `expires` (seconds of the policy's clock) unless it is added again."""

    rule: router_pb2.Rule
    expires: float


@dataclass(slots=True)
class BotRules:
    """What was said about one bot.

    Attributes:
        own: rules added for good, by id, in the order in which they were added.
        temporary: rules with a time to live, by id.
        removed: ids of default rules that were taken away.
    """

    own: dict[str, router_pb2.Rule] = field(default_factory=dict)
    temporary: dict[str, Temporary] = field(default_factory=dict)
    removed: set[str] = field(default_factory=set)

    def copy(self) -> BotRules:
        """A copy to try a change on; rules themselves never change."""
        return BotRules(dict(self.own), dict(self.temporary), set(self.removed))

    def compose(self, defaults: Iterable[router_pb2.Rule], handlers: Set[str]) -> list[router_pb2.Rule]:
        """The rules in force, in list order: temporary ones first, defaults last; of one id the first counts.

        Defaults whose handler is not installed are left out. Added rules stay: their events wait for it.
        """
        temporary = [_from(one.rule, TEMPORARY) for one in self.temporary.values()]
        own = [_from(rule, ADMIN) for rule in self.own.values() if rule.id not in self.temporary]
        taken = self.own.keys() | self.temporary.keys() | self.removed
        behind = [
            _from(rule, DEFAULT) for rule in defaults if rule.id not in taken and rule.handler in handlers
        ]
        return [*temporary, *own, *behind]

    def free_id(self, rule: router_pb2.Rule, defaults: Iterable[router_pb2.Rule]) -> str:
        """An id for a rule without one: its handler and the first free number."""
        taken = self.own.keys() | self.temporary.keys() | {default.id for default in defaults}
        number = 1
        while f"{rule.handler}-{number}" in taken:
            number += 1
        return f"{rule.handler}-{number}"

    def expired(self, now: float) -> list[str]:
        """Ids of the temporary rules that nobody renewed in time."""
        return [rule_id for rule_id, one in self.temporary.items() if one.expires <= now]


def _from(rule: router_pb2.Rule, source: str) -> router_pb2.Rule:
    copy = router_pb2.Rule()
    copy.CopyFrom(rule)
    copy.source = source
    return copy
