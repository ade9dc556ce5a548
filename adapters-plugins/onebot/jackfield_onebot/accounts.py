"""Which bot carries which account, and through which connection."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

from jackfield_sdk import Bot, BotState, Chat, InvalidArgument, Unavailable, User
from jackfield_sdk.spooling import Intake

from jackfield_onebot.caches import Caches
from jackfield_onebot.connection import Actions, Connection
from jackfield_onebot.convert.values import text_of

RESTARTED = 1012
REVERSE, FORWARD, HTTP = "reverse", "forward", "http"
# Chats whose account a bot with several remembers.
MOST_CHATS = 4096


@dataclass(slots=True)
class Account:
    """One account that is connected; the two ways are one connection in the Universal role."""

    self_id: str
    actions: Actions | None = None
    events: Connection | None = None
    caches: Caches = field(default_factory=Caches)

    @property
    def connected(self) -> bool:
        """True while one connection stands."""
        return self.actions is not None or self.events is not None


class OpenBot:
    """One bot with its accounts: exactly one when it names its `self_id`, any number otherwise."""

    def __init__(self, bot: Bot, self_id: str, token: str, intake: Intake, mode: str = REVERSE) -> None:
        self.bot = bot
        self.mode = mode
        self.self_id = self_id
        self.token = token
        self.intake = intake
        self.accounts: dict[str, Account] = {}
        self.tasks: set[asyncio.Task[Any]] = set()
        self.reaching: asyncio.Task[None] | None = None
        """Dials or asks, in the modes in which the adapter does the first step."""
        self._chats: OrderedDict[str, str] = OrderedDict()

    def greet(self, self_id: str, nickname: Any) -> None:
        """The account is there, under the name that the implementation tells."""
        self.bot.state(BotState.ACTIVE, self_user=User(id=self_id, nickname=text_of(nickname)))

    def account(self, self_id: str = "", chat: Chat | None = None) -> Account:
        """The account to act as: the named one, the one that saw the chat last, or the only one.

        Raises Unavailable when it is not connected and InvalidArgument when nothing says which.
        """
        self_id = self_id or self.self_id or (self._chats.get(f"{chat.type}{chat.id}", "") if chat else "")
        able = [account for account in self.accounts.values() if account.actions is not None]
        if self_id:
            able = [account for account in able if account.self_id == self_id]
        if not able:
            who = f" for account {self_id}" if self_id else ""
            raise Unavailable(f"no OneBot client{who} is connected to bot {self.bot.name}")
        if len(able) > 1:
            raise InvalidArgument(
                f"bot {self.bot.name} has {len(able)} accounts and nothing says which one shall act",
                remedy="Add one bot for each account, with its self_id.",
                metadata={"field": "target.bot"},
            )
        return able[0]

    def saw(self, chat: Chat, self_id: str) -> None:
        """Remembers which account a chat belongs to; only of use with several."""
        if len(self.accounts) > 1:
            key = f"{chat.type}{chat.id}"
            self._chats[key] = self_id
            self._chats.move_to_end(key)
            if len(self._chats) > MOST_CHATS:
                self._chats.popitem(last=False)


class Registry:
    """The open bots of this process."""

    def __init__(self) -> None:
        self._bots: dict[str, OpenBot] = {}

    def __len__(self) -> int:
        return len(self._bots)

    def all(self) -> list[OpenBot]:
        """Every open bot."""
        return list(self._bots.values())

    def get(self, name: str) -> OpenBot:
        """The open bot of that name."""
        return self._bots[name]

    def add(self, opened: OpenBot) -> None:
        """Raises InvalidArgument when another bot takes the same account."""
        for other in self._bots.values():
            both_wait = other.mode == opened.mode == REVERSE
            if other.self_id == opened.self_id and (opened.self_id or both_wait):
                which = f"account {opened.self_id}" if opened.self_id else "every account"
                raise InvalidArgument(
                    f"bot {other.bot.name} already takes {which}",
                    remedy=f"Give bot {opened.bot.name} a self_id of its own.",
                    metadata={"field": "self_id"},
                )
        self._bots[opened.bot.name] = opened

    def remove(self, name: str) -> OpenBot | None:
        """Forgets a bot."""
        return self._bots.pop(name, None)

    def of_account(self, self_id: str) -> OpenBot | None:
        """The bot that waits for this account, else the one that waits for every account."""
        waiting = [bot for bot in self._bots.values() if bot.mode == REVERSE]
        exact = next((bot for bot in waiting if bot.self_id == self_id), None)
        return exact or next((bot for bot in waiting if not bot.self_id), None)
