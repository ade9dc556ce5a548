"""Rules in, tables out: what is in force for each bot, and keeping the kernel's copy equal to it."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import Callable

from jackfield.v1 import kernel_pb2, router_pb2
from jackfield_sdk import InvalidArgument, JackfieldError, NotFound, PluginContext

from jackfield_router.catalog import Catalog
from jackfield_router.checks import check_bot, check_rule
from jackfield_router.defaults import DefaultRule, default_rules
from jackfield_router.rules import BotRules, Temporary
from jackfield_router.store import RuleStore

PINNED = "CONFIG_PINNED"
Clock = Callable[[], float]
"""Seconds, never going back."""


class Policy:
    """Owns the rules. Changes run one after another; one that the kernel refuses leaves all as it was."""

    def __init__(self, context: PluginContext, store: RuleStore, clock: Clock) -> None:
        self._context = context
        self._store = store
        self._clock = clock
        self._lock = asyncio.Lock()
        self._bots: dict[str, BotRules] = {}
        self._catalog = Catalog(kernel_pb2.GetCatalogResponse())
        self._defaults: list[DefaultRule] = []
        self._pushed: dict[str, str] = {}
        self.timers_changed = asyncio.Event()

    async def load(self) -> None:
        """Read what was kept. Raises what the kernel answers."""
        self._bots = await self._store.load()

    async def sync(self, *, again: bool = False) -> list[JackfieldError]:
        """Look at catalog and configuration anew, push what changed; with `again` every table.

        Returns why tables are not as they should be. Raises retryable errors of the kernel.
        """
        async with self._lock:
            problems: list[JackfieldError] = []
            await self._refresh()
            try:
                self._defaults = default_rules(self._context.config)
            except InvalidArgument as error:
                problems.append(error)
            if again:
                self._pushed.clear()
            for bot in self._catalog.bots:
                problems += await self._push_known(bot)
            return problems

    async def add(self, bot: str, rule: router_pb2.Rule, ttl: float | None) -> router_pb2.Rule:
        """Add a rule, or put it in the place of the one with its id; `ttl` in seconds, None for good.

        Raises UnknownBot, InvalidArgument, and what the kernel answers to the table (CONFIG_PINNED).
        """
        async with self._lock:
            await self._refresh()
            check_bot(bot, self._catalog)
            before = self._bots.get(bot, BotRules())
            added = router_pb2.Rule()
            added.CopyFrom(rule)
            added.id = rule.id or before.free_id(rule, self._defaults_of(bot))
            check_rule(added, bot, self._catalog)
            after = before.copy()
            if ttl is None:
                after.temporary.pop(added.id, None)
                after.own[added.id] = added
                after.removed.discard(added.id)
            else:
                after.temporary[added.id] = Temporary(added, self._clock() + ttl)
            await self._change(bot, before, after)
            return next(one for one in self._compose(bot) if one.id == added.id)

    async def remove(self, bot: str, rule_id: str) -> None:
        """Take a rule away, also a default one. Raises NotFound, UnknownBot, what the kernel answers."""
        async with self._lock:
            await self._refresh()
            check_bot(bot, self._catalog)
            before = self._bots.get(bot, BotRules())
            if all(rule.id != rule_id for rule in self._compose(bot)):
                names = ", ".join(rule.id for rule in self._compose(bot)) or "none"
                raise NotFound(
                    f"bot {bot} has no rule {rule_id!r}",
                    remedy=f"Its rules are: {names}.",
                    metadata={"bot": bot, "rule": rule_id},
                )
            after = before.copy()
            if after.temporary.pop(rule_id, None) is None:
                after.own.pop(rule_id, None)
                if any(rule.id == rule_id for rule in self._defaults_of(bot)):
                    after.removed.add(rule_id)
            await self._change(bot, before, after)

    def tables(self, bot: str = "") -> list[router_pb2.RouteTable]:
        """Rules by bot, of one or of all. Raises UnknownBot."""
        if bot:
            check_bot(bot, self._catalog)
        return [self._table(name) for name in ([bot] if bot else self._catalog.bots)]

    def next_expiry(self) -> float | None:
        """When the next temporary rule ends, by the clock."""
        return min(
            (one.expires for rules in self._bots.values() for one in rules.temporary.values()), default=None
        )

    async def expire(self) -> None:
        """Drop the temporary rules that nobody renewed."""
        async with self._lock:
            for bot, rules in self._bots.items():
                if expired := rules.expired(self._clock()):
                    for rule_id in expired:
                        del rules.temporary[rule_id]
                    self._context.log.info("rules of %s ended: %s", bot, ", ".join(expired))
                    await self._push_known(bot)

    async def _change(self, bot: str, before: BotRules, after: BotRules) -> None:
        """Push first: the kernel checks the whole table, and nothing is kept that it refuses."""
        self._bots[bot] = after
        try:
            await self._push(bot)
            await self._store.save(bot, before, after)
        except JackfieldError:
            # A table that the kernel took and nobody kept is replaced now, or at the next note.
            self._bots[bot] = before
            with contextlib.suppress(JackfieldError):
                await self._push(bot)
            raise
        self.timers_changed.set()

    async def _refresh(self) -> None:
        request = kernel_pb2.GetCatalogRequest()
        answer = await self._context.kernel("GetCatalog", request, kernel_pb2.GetCatalogResponse)
        self._catalog = Catalog(answer)

    async def _push_known(self, bot: str) -> list[JackfieldError]:
        """Push a table; a refusal is returned, the last good one stays in force. Raises retryable errors."""
        try:
            await self._push(bot)
        except JackfieldError as error:
            if error.retryable:
                raise
            if error.reason == PINNED:
                return []
            self._context.log.error("the table of %s is not in force: %s", bot, error)
            return [error]
        return []

    async def _push(self, bot: str) -> None:
        table = self._table(bot)
        if self._pushed.get(bot) == table.version:
            return
        self._pushed.pop(bot, None)
        request = kernel_pb2.PushRoutesRequest(table=table)
        answer = await self._context.kernel("PushRoutes", request, kernel_pb2.PushRoutesResponse)
        self._pushed[bot] = table.version
        for name in answer.missing_handlers:
            self._context.log.warning("rules of %s wait for handler %s, which is not installed", bot, name)
        for name in answer.missing_sets:
            self._context.log.warning("rules of %s wait for sender set %s, which nobody pushed", bot, name)

    def _table(self, bot: str) -> router_pb2.RouteTable:
        table = router_pb2.RouteTable(bot=bot, rules=self._compose(bot))
        table.version = hashlib.sha256(table.SerializeToString(deterministic=True)).hexdigest()[:12]
        return table

    def _compose(self, bot: str) -> list[router_pb2.Rule]:
        return self._bots.get(bot, BotRules()).compose(self._defaults_of(bot), self._catalog.handlers)

    def _defaults_of(self, bot: str) -> list[router_pb2.Rule]:
        return [one.rule_of(bot) for one in self._defaults if one.is_for(bot, self._catalog)]
