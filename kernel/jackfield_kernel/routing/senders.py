"""Sender sets: people by id whom rules refer to by name."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from jackfield.v1 import router_pb2

from .errors import RuleInvalid
from .facts import Facts

MEMBERS_LIMIT = 100_000
"""Most members of one set."""

Sets = Mapping[str, frozenset[str]]
"""Members by the name of the set; a name that was never pushed is absent."""

_NAME = re.compile(r"[a-z0-9][a-z0-9._/-]{0,63}", re.ASCII)
_NAME_EXPECTED = (
    "1-64 lower-case letters, digits, dots, hyphens, underscores or slashes, the first a letter or digit"
)


def check_name(name: str, *, rule: str, field: str) -> str:
    """The name, or RuleInvalid."""
    if not _NAME.fullmatch(name):
        raise RuleInvalid(field, repr(name), _NAME_EXPECTED, rule=rule)
    return name


def members_of(pushed: router_pb2.SenderSet) -> frozenset[str]:
    """The members of a pushed set. RuleInvalid for a wrong name, an empty member or too many of them."""
    check_name(pushed.name, rule="", field="name")
    if len(pushed.members) > MEMBERS_LIMIT:
        raise RuleInvalid("members", f"there are {len(pushed.members)}", f"at most {MEMBERS_LIMIT} members")
    members = frozenset(pushed.members)
    if "" in members:
        raise RuleInvalid("members", "one is empty", "`<bot>:<sender id>` or `<sender id>`")
    return members


class SetCheck:
    """The sets of one rule; sets that were never pushed leave it open where the others do not decide it."""

    def __init__(self, inside: Sequence[str], outside: Sequence[str], sets: Sets) -> None:
        self.names = (*inside, *outside)
        self._inside = tuple(inside)
        self._outside = tuple(outside)
        self._sets = sets

    def decide(self, facts: Facts) -> bool | str:
        """Whether the sender fits; the name of a set that was never pushed when it depends on that one."""
        keys = facts.sender_keys
        outside = self._holds(self._outside, keys)
        inside = self._holds(self._inside, keys) if self._inside else True
        if outside is True or inside is False:
            return False
        if isinstance(outside, str):
            return outside
        return inside

    def because(self, facts: Facts) -> str:
        """Why the sender does not fit, for people."""
        who = f"the sender {facts.sender_id}" if facts.sender_id else "the event without a sender"
        if self._holds(self._outside, facts.sender_keys) is True:
            return f"not_sender_sets: {who} is in one of {', '.join(self._outside)}"
        return f"sender_sets: {who} is in none of {', '.join(self._inside)}"

    def _holds(self, names: tuple[str, ...], keys: tuple[str, ...]) -> bool | str:
        """Whether one of the sets holds one of the keys, or the first set that would have to be known."""
        if not keys:
            return False
        missing = ""
        for name in names:
            members = self._sets.get(name)
            if members is None:
                missing = missing or name
            elif not members.isdisjoint(keys):
                return True
        return missing or False
