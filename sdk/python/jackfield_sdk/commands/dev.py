"""`jackfield dev`: runs one plugin while it is being written."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from jackfield_sdk.commands.development import Development, Wishes
from jackfield_sdk.commands.kernel import Data, admin, find_kernel, interrupts


def dev(
    context: typer.Context,
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="DIR", help="Folder of the plugin, with its manifest.", exists=True, file_okay=False
        ),
    ],
    bot: Annotated[
        str, typer.Option("--bot", metavar="BOT", help="Bot whose events the plugin gets first.")
    ] = "web",
    event: Annotated[
        str, typer.Option("--event", metavar="PATTERN", help="Which of its events.")
    ] = "message.received",
    debugger: Annotated[
        bool, typer.Option("--debugger", help="Wait for the plugin to be started from an IDE.")
    ] = False,
    data: Data = None,
) -> None:
    """Runs a plugin, restarts it on every save, and shows its log and tracebacks. Ctrl-C ends it.

    While this runs, events of the bot go to the plugin before all other rules.
    """
    address = find_kernel(context, data)
    raise typer.Exit(asyncio.run(_dev(address, Wishes(folder.resolve(), bot, event, debugger))))


async def _dev(address: str, wishes: Wishes) -> int:
    stop = asyncio.Event()
    with interrupts(stop):
        async with admin(address) as stub:
            return await Development(stub, wishes, stop).run()
