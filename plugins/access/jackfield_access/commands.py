"""Commands of administrators: admit, shut out, list."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any

from jackfield_sdk import CommandContext, InvalidArgument, JackfieldError

from jackfield_access.codes import Codes, Full, Locked, Pending
from jackfield_access.people import ADMIN, BLOCKED, USER, People, Person
from jackfield_access.sets import Sets
from jackfield_access.settings import EVERYONE, of_bot
from jackfield_access.texts import told

_log = logging.getLogger("jackfield.plugin.access")
MOST_LISTED = 50
LONGEST_ID = 256
SEND_SECONDS = 20.0
Answer = Callable[[CommandContext, str], Awaitable[str]]


class Desk:
    """Every change is kept, then pushed: it holds for the very next event."""

    def __init__(
        self, people: People, codes: Codes, sets: Sets, config: Callable[[], dict[str, Any]]
    ) -> None:
        self._people = people
        self._codes = codes
        self._sets = sets
        self._config = config

    @property
    def answers(self) -> dict[str, Answer]:
        """The functions by the names of the manifest."""
        return {
            "pair": self.pair,
            "allow": self.allow,
            "block": self.block,
            "revoke": self.revoke,
            "users": self.users,
        }

    async def pair(self, ctx: CommandContext, args: str) -> str:
        """Admit who was given a code, or make one to hand out."""
        event = ctx.event
        if not args.strip():
            try:
                pending = Pending(event.bot, by=_by(ctx))
                code = await self._codes.make(event.platform, f"invite/{event.id}", pending)
            except Full:
                return told(ctx.locale, "waiting")
            return told(ctx.locale, "invite", code=code, bot=event.bot)
        try:
            found = await self._codes.find(
                event.platform, args, f"approve/{event.platform}", invitation=False
            )
        except Locked:
            return told(ctx.locale, "locked")
        if found is None:
            return told(ctx.locale, "wrong")
        key, asked = found
        await self._people.put(Person(asked.bot, asked.user, USER, "paired", _by(ctx), asked.name))
        await self._sets.push(asked.bot)
        await self._codes.used(key)
        try:
            target = f"{asked.bot}:{asked.chat}"
            await ctx.send(
                target, told(ctx.locale, "welcome"), key=f"welcome/{event.id}", timeout=SEND_SECONDS
            )
        except (JackfieldError, ValueError) as error:
            # They are admitted all the same, and find out with their next message.
            _log.warning("%s is admitted and could not be told: %s", asked.bot, error)
        return told(ctx.locale, "paired", who=_shown(asked.user, asked.name), bot=asked.bot)

    async def allow(self, ctx: CommandContext, args: str) -> str:
        """Admit by id, as a user or as an administrator."""
        user, _, tier = args.strip().partition(" ")
        _check(ctx, user)
        tier = tier.strip().lower() or USER
        if tier not in (USER, ADMIN):
            raise InvalidArgument(told(ctx.locale, "who"))
        await self._decide(ctx, user, tier, "allowed")
        return told(ctx.locale, "allowed", who=user, tier=tier)

    async def block(self, ctx: CommandContext, args: str) -> str:
        """Shut out by id, whatever else is said."""
        user = args.strip()
        _check(ctx, user)
        if _own(ctx) == user:
            return told(ctx.locale, "self")
        await self._decide(ctx, user, BLOCKED, "blocked")
        return told(ctx.locale, "blocked", who=user)

    async def revoke(self, ctx: CommandContext, args: str) -> str:
        """Take an admission back; whom the configuration admits is shut out."""
        user = args.strip()
        _check(ctx, user)
        if _own(ctx) == user:
            return told(ctx.locale, "self")
        bot = ctx.event.bot
        settings = of_bot(self._config(), bot)
        if settings.allow_all or user in settings.allow or user in settings.admins:
            await self._decide(ctx, user, BLOCKED, "revoked")
            return told(ctx.locale, "revoked_open", who=user)
        known = self._people.find(bot, user)
        if known is None:
            return told(ctx.locale, "nobody")
        await self._people.remove(bot, user)
        await self._sets.push(bot)
        return told(ctx.locale, "revoked", who=_shown(user, known.name))

    async def users(self, ctx: CommandContext, args: str) -> str:
        """Who is admitted to this bot, and how."""
        bot = ctx.event.bot
        settings = of_bot(self._config(), bot)
        people = self._people.of_bot(bot)
        decided = {one.user for one in people}
        lines = [f"  {_shown(one.user, one.name)}: {one.tier} ({one.how})" for one in people]
        lines += [f"  {user}: {ADMIN} (configuration)" for user in sorted(settings.admins - decided)]
        lines += [
            f"  {user}: {USER} (configuration)" for user in sorted(settings.allow - settings.admins - decided)
        ]
        if len(lines) > MOST_LISTED:
            lines = [*lines[:MOST_LISTED], f"  … {len(lines) - MOST_LISTED} more"]
        if settings.allow_all:
            lines.append(told(ctx.locale, "everyone"))
        if settings.open_groups:
            lines.append(told(ctx.locale, "guests", groups=", ".join(sorted(settings.open_groups))))
        return "\n".join([told(ctx.locale, "users", bot=bot), *(lines or [told(ctx.locale, "none")])])

    async def _decide(self, ctx: CommandContext, user: str, tier: str, how: str) -> None:
        bot = ctx.event.bot
        known = self._people.find(bot, user)
        await self._people.put(Person(bot, user, tier, how, _by(ctx), known.name if known else ""))
        await self._sets.push(bot)


def _check(ctx: CommandContext, user: str) -> None:
    if not 0 < len(user) <= LONGEST_ID or user == EVERYONE or any(character.isspace() for character in user):
        raise InvalidArgument(told(ctx.locale, "who"))


def _own(ctx: CommandContext) -> str:
    return ctx.event.sender.id if ctx.event.sender is not None else ""


def _by(ctx: CommandContext) -> str:
    return f"{ctx.event.bot}:{_own(ctx)}"


def _shown(user: str, name: str) -> str:
    return f"{name} ({user})" if name else user
