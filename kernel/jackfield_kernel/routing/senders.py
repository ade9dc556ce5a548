"""Sender sets: people, or chats, by id whom rules refer to by name."""

from __future__ import annotations

import re
from collections.abc import Mapping

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
        raise RuleInvalid("members", "one is empty", "`<bot>:<sender id>`, `<sender id>` or `*`")
    return members


class SetCheck:
    """The sets of one rule; sets that were never pushed leave it open where the others do not decide it."""

    def __init__(self, match: router_pb2.Match, sets: Sets) -> None:
        # (names, whether one of them has to hold, whether they hold chats), negations first: they close a rule soonest.
        parts = (
            (tuple(match.not_sender_sets), False, False),
            (tuple(match.not_chat_sets), False, True),
            (tuple(match.sender_sets), True, False),
            (tuple(match.chat_sets), True, True),
        )
        self._parts = tuple(part for part in parts if part[0])
        self.names = tuple(name for names, _, _ in self._parts for name in names)
        self._sets = sets

    def decide(self, facts: Facts) -> bool | str:
        """Whether sender and chat fit; the name of a set that was never pushed when it depends on that one."""
        missing = ""
        for names, wanted, chats in self._parts:
            held = self._holds(names, facts.chat_keys if chats else facts.sender_keys)
            if isinstance(held, str):
                missing = missing or held
            elif held is not wanted:
                return False
        return missing or True

    def because(self, facts: Facts) -> str:
        """Why sender or chat does not fit, for people."""
        for names, wanted, chats in self._parts:
            keys = facts.chat_keys if chats else facts.sender_keys
            held = self._holds(names, keys)
            if isinstance(held, str) or held is wanted:
                continue
            noun, identity = ("chat", facts.chat_id) if chats else ("sender", facts.sender_id)
            who = f"the {noun} {identity}" if identity else f"the event without a {noun}"
            if wanted:
                return f"{noun}_sets: {who} is in none of {', '.join(names)}"
            return f"not_{noun}_sets: {who} is in one of {', '.join(names)}"
        return ""

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
