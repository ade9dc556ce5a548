"""`jackfield chat`: a conversation with the bots of a running kernel, in the terminal."""

from __future__ import annotations

import asyncio
import getpass
import re
from typing import Annotated

import typer

from jackfield_sdk.commands.conversation import Conversation
from jackfield_sdk.commands.kernel import Data, admin, find_kernel, interrupts

BOT_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,33}")


def chat(
    context: typer.Context,
    bot_name: Annotated[
        str,
        typer.Option("--bot-name", metavar="BOT", help="Name of the bot, which is made for this."),
    ] = "terminal",
    user: Annotated[str, typer.Option("--user", metavar="ID", help="Who you are.", show_default="you")] = "",
    wait: Annotated[
        float, typer.Option("--wait", min=0.0, help="Seconds that the last answers may take when input ends.")
    ] = 60.0,
    data: Data = None,
) -> None:
    """Talks to the handlers in the terminal: a line is a message. Ctrl-D or Ctrl-C ends it.

    With input from a pipe it prints the answers and ends: `echo /help | jackfield chat`.
    """
    if BOT_NAME.fullmatch(bot_name) is None:
        raise typer.BadParameter(f"{bot_name!r} is no name of a bot: a-z, 0-9, '-' and '_', at most 34")
    address = find_kernel(context, data)
    raise typer.Exit(asyncio.run(_chat(address, bot_name, user or getpass.getuser(), wait)))


async def _chat(address: str, bot: str, user: str, wait: float) -> int:
    stop = asyncio.Event()
    with interrupts(stop):
        async with admin(address) as stub:
            return await Conversation(stub, bot, user, wait, stop).run()
