"""Events of people whom nobody admitted: the kernel sends them here and nowhere else."""

from __future__ import annotations

import contextlib

from jackfield_sdk import ChatType, Context, Event, MessageReceived, User

from jackfield_access.codes import ASK_AGAIN, Codes, Full, Locked, Pending, asked_key, looks_like_code
from jackfield_access.people import USER, People, Person
from jackfield_access.sets import Sets
from jackfield_access.settings import CODE, SILENT, of_bot
from jackfield_access.texts import told


class Door:
    """Answers strangers in private chats, seldom; is silent everywhere else."""

    def __init__(self, people: People, codes: Codes, sets: Sets) -> None:
        self._people = people
        self._codes = codes
        self._sets = sets

    async def answer(self, ctx: Context, event: Event, config: dict[str, object]) -> None:
        """One event of a stranger."""
        sender, chat = event.sender, event.chat
        if ctx.rule_config.get("silent") or sender is None or chat is None or sender.is_bot:
            return
        if chat.type is not ChatType.PRIVATE or not isinstance(event.payload, MessageReceived):
            return
        locale = str(config.get("language") or "en")
        if looks_like_code(event.text):
            await self._redeem(ctx, event, sender, locale)
            return
        unknown = of_bot(config, event.bot).unknown
        known = self._people.find(event.bot, sender.id)
        if unknown == SILENT or known is not None or not await self._codes.may_ask(event.bot, sender.id):
            return
        text = told(locale, "refuse")
        if unknown == CODE:
            pending = Pending(event.bot, sender.id, str(chat), _name(sender))
            try:
                code = await self._codes.make(event.platform, f"ask/{ctx.delivery_id}", pending)
                text = told(locale, "code", code=code)
            except Full:
                text = told(locale, "full")
        await ctx.reply(text, key="stranger")
        # Committed with the end of the delivery: a repeat after a crash answers again what was recorded.
        await ctx.kv.put(asked_key(event.bot, sender.id), b"", ttl=ASK_AGAIN)

    async def _redeem(self, ctx: Context, event: Event, sender: User, locale: str) -> None:
        scope = f"{event.bot}/{sender.id}"
        known = self._people.find(event.bot, sender.id)
        if known is not None and known.by == f"code:{ctx.delivery_id}":
            # Admitted by this very message, before a crash: the code must not stay for another.
            with contextlib.suppress(Locked):
                left = await self._codes.find(event.platform, event.text, scope, invitation=True)
                if left is not None:
                    await self._codes.used(left[0])
            await self._sets.push(event.bot)
            await ctx.reply(told(locale, "welcome"), key="welcome")
            return
        try:
            found = await self._codes.find(event.platform, event.text, scope, invitation=True)
        except Locked:
            if await self._codes.may_ask(event.bot, sender.id):
                await ctx.reply(told(locale, "locked"), key="locked")
                await ctx.kv.put(asked_key(event.bot, sender.id), b"", ttl=ASK_AGAIN)
            return
        if found is None or found[1].bot != event.bot:
            await ctx.reply(told(locale, "wrong"), key="wrong")
            return
        key, _ = found
        person = Person(event.bot, sender.id, USER, "paired", f"code:{ctx.delivery_id}", _name(sender))
        await self._people.put(person)
        await self._codes.used(key)
        await self._sets.push(event.bot)
        await ctx.reply(told(locale, "welcome"), key="welcome")


def _name(user: User) -> str:
    return user.nickname or user.username
