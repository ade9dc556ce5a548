"""One bot that is open: who it is, its calls, its way in and its connection."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from jackfield_sdk import AuthExpired, Bot, BotState, JackfieldError, User

from jackfield_lark.convert.context import Self
from jackfield_lark.intake import Intake
from jackfield_lark.web import Web

PROOF_SECONDS = 180.0


@dataclass
class Account:
    """What stands behind `bot.connection`."""

    bot: Bot
    web: Web
    me: Self
    intake: Intake
    mode: str
    user: User
    task: asyncio.Task[None] | None = field(default=None)

    async def close(self) -> None:
        """Hears nothing more."""
        if self.task is not None:
            self.task.cancel()
            await asyncio.gather(self.task, return_exceptions=True)
        await self.intake.settle()


async def prove_life(bot: Bot, web: Web) -> None:
    """Webhooks alone say nothing while nobody writes: asking proves that Lark is there and takes the credentials."""
    while True:
        await asyncio.sleep(PROOF_SECONDS)
        try:
            await web.call("GET", "/bot/v3/info")
        except AuthExpired as error:
            bot.state(BotState.FAILED, error)
        except JackfieldError as error:
            bot.log.info("Lark did not answer: %s", error.message)
        else:
            bot.alive()
            bot.state(BotState.ACTIVE)
