"""What the kernel enforces: the sender sets of every bot, from configuration and decisions.

access/<bot>/admitted   people who may talk to the bot
access/<bot>/admins     of these, administrators
access/<bot>/denied     people who may not, whatever else is said
access/<bot>/rooms      groups in which everyone may
access/<bot>/free       groups in which the bot needs no mention
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterable

from jackfield.v1 import kernel_pb2, router_pb2
from jackfield_sdk import JackfieldError, PluginContext

from jackfield_access.people import ADMIN, BLOCKED, People, Person
from jackfield_access.settings import EVERYONE, BotSettings, of_bot


class Sets:
    """Keeps the kernel's sets equal to what was decided. Raises what the kernel answers."""

    def __init__(self, plugin: PluginContext, people: People) -> None:
        self._plugin = plugin
        self._people = people
        self._pushed: dict[str, str] = {}
        self._lock = asyncio.Lock()
        self._warned: set[str] = set()
        self._guarded: list[str] = []

    async def push_all(self, bots: Iterable[str], *, again: bool = False) -> None:
        """The sets of all bots; with `again` also those that did not change."""
        if again:
            self._pushed.clear()
        for bot in bots:
            await self.push(bot)

    async def push(self, bot: str) -> None:
        """The sets of one bot. What is taken away is pushed before what is given."""
        async with self._lock:
            settings = of_bot(self._plugin.config, bot)
            decided = self._people.of_bot(bot)
            members = members_of(bot, settings, decided)
            for name, ids in members.items():
                await self._push_set(f"access/{bot}/{name}", sorted(ids))
        self._warn()

    def guard(self, bots: Iterable[str]) -> None:
        """These bots stand behind the sets: the operator is told of each that admits nobody."""
        self._guarded = list(bots)
        self._warn()

    def _warn(self) -> None:
        """Tell the operator of each bot that admits nobody, and what to do about it."""
        closed = []
        for bot in self._guarded:
            settings = of_bot(self._plugin.config, bot)
            if settings.admits_somebody or any(one.tier != BLOCKED for one in self._people.of_bot(bot)):
                continue
            closed.append(
                JackfieldError(
                    f"bot {bot} admits nobody yet",
                    reason="NOT_CONFIGURED",
                    remedy=f"Put your id there into plugins.access.config.bots.{bot}.admins; kernel/docs/access.md tells more.",
                    metadata={"bot": bot},
                )
            )
        bots_closed = {error.metadata["bot"] for error in closed}
        if bots_closed != self._warned:
            self._warned = bots_closed
            for error in closed:
                self._plugin.log.warning("%s", error)
            self._plugin.warn(closed)

    async def _push_set(self, name: str, members: list[str]) -> None:
        digest = hashlib.sha256("\0".join(members).encode()).hexdigest()[:12]
        if self._pushed.get(name) == digest:
            return
        self._pushed.pop(name, None)
        pushed = router_pb2.SenderSet(name=name, version=digest, members=members)
        await self._plugin.kernel(
            "PushSenders", kernel_pb2.PushSendersRequest(set=pushed), kernel_pb2.PushSendersResponse
        )
        self._pushed[name] = digest


def members_of(bot: str, settings: BotSettings, decided: Iterable[Person]) -> dict[str, set[str]]:
    """The members of a bot's sets by name, those that shut out first. Ids stand with the bot: no other bot's count."""
    people = list(decided)
    blocked = {one.user for one in people if one.tier == BLOCKED}
    admins = (set(settings.admins) | {one.user for one in people if one.tier == ADMIN}) - blocked
    admitted = admins | set(settings.allow) | {one.user for one in people}
    admitted -= blocked
    sets = {
        "denied": _within(bot, blocked),
        "admins": _within(bot, admins - {EVERYONE}),
        "admitted": _within(bot, admitted),
        "rooms": _within(bot, settings.open_groups),
        "free": _within(bot, settings.free_groups if settings.require_mention else {EVERYONE}),
    }
    if settings.allow_all:
        sets["admitted"].add(EVERYONE)
    return sets


def _within(bot: str, ids: Iterable[str]) -> set[str]:
    return {one if one == EVERYONE else f"{bot}:{one}" for one in ids}
