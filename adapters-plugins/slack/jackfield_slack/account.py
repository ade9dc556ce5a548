"""One bot that is open: who it is, its calls, its way in and its socket."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from jackfield_sdk import AuthExpired, Bot, BotState, JackfieldError, User

from jackfield_slack.convert.incoming import Self
from jackfield_slack.intake import Intake
from jackfield_slack.web import Web

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
    catching_up: asyncio.Task[int] | None = field(default=None)

    async def close(self) -> None:
        """Hears nothing more."""
        tasks = [task for task in (self.task, self.catching_up) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.intake.settle()


async def prove_life(bot: Bot, web: Web) -> None:
    """Without a socket nothing comes by itself while nobody writes: asking proves that Slack is there and takes the token."""
    while True:
        await asyncio.sleep(PROOF_SECONDS)
        try:
            await web.call("auth.test")
        except AuthExpired as error:
            bot.state(BotState.FAILED, error)
        except JackfieldError as error:
            bot.log.info("Slack did not answer auth.test: %s", error.message)
        else:
            bot.alive()
            bot.state(BotState.ACTIVE)
