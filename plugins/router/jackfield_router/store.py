"""Rules over restarts, in the plugin's own keys.

rules/<bot>/<number>    a rule, serialized; numbers give the order
removed/<bot>/<id>      a default rule that was taken away
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from jackfield.v1 import router_pb2
from jackfield_sdk import Kv, KvEntry

from jackfield_router.rules import BotRules

_RULES = "rules/"
_REMOVED = "removed/"
_PAGE = 1_000


class RuleStore:
    """Knows under which key each rule lies. Every method raises what the kernel answers."""

    def __init__(self, kv: Kv) -> None:
        self._kv = kv
        self._numbers: dict[tuple[str, str], int] = {}
        self._last = 0

    async def load(self) -> dict[str, BotRules]:
        """Everything kept, by bot."""
        bots: dict[str, BotRules] = {}
        async for entry in self._entries(_RULES):
            bot, _, number = entry.key.removeprefix(_RULES).partition("/")
            rule = router_pb2.Rule.FromString(entry.value)
            bots.setdefault(bot, BotRules()).own[rule.id] = rule
            self._numbers[bot, rule.id] = int(number)
            self._last = max(self._last, int(number))
        async for entry in self._entries(_REMOVED):
            bot, _, rule_id = entry.key.removeprefix(_REMOVED).partition("/")
            bots.setdefault(bot, BotRules()).removed.add(rule_id)
        return bots

    async def save(self, bot: str, before: BotRules, after: BotRules) -> None:
        """Write what differs. Temporary rules are never written."""
        for rule_id in before.own.keys() - after.own.keys():
            await self._kv.delete(self._key(bot, rule_id))
            del self._numbers[bot, rule_id]
        for rule_id, rule in after.own.items():
            if before.own.get(rule_id) != rule:
                await self._kv.put(self._key(bot, rule_id), rule.SerializeToString())
        for rule_id in before.removed - after.removed:
            await self._kv.delete(f"{_REMOVED}{bot}/{rule_id}")
        for rule_id in after.removed - before.removed:
            await self._kv.put(f"{_REMOVED}{bot}/{rule_id}", b"")

    def _key(self, bot: str, rule_id: str) -> str:
        number = self._numbers.get((bot, rule_id))
        if number is None:
            number = self._last = self._last + 1
            self._numbers[bot, rule_id] = number
        return f"{_RULES}{bot}/{number:09d}"

    async def _entries(self, prefix: str) -> AsyncIterator[KvEntry]:
        after = ""
        while page := await self._kv.list(prefix, after=after, limit=_PAGE):
            for entry in page:
                yield entry
            after = page[-1].key
