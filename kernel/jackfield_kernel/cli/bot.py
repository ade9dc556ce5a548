"""`jackfield bot`: accounts on platforms."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from google.protobuf import json_format
from jackfield.v1 import admin_pb2

from .client import admin
from .given import settings
from .lazy import new_app
from .options import Data, Json, Yes, confirm
from .show import print_facts, print_json, print_table, said, say
from .status import BOT_COLUMNS, bot_row, state_of

app = new_app("Add bots, switch them on and off.")

Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the bot.")]


@app.command(epilog="Example: jackfield bot add support --adapter NAME --set token=@token.txt")
def add(
    name: Name,
    adapter: Annotated[str, typer.Option("--adapter", metavar="PLUGIN", help="Id of the adapter plugin.")],
    values: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="A value of its configuration, as YAML; KEY=@FILE reads a file, for secrets.",
        ),
    ] = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """Add a bot. Its adapter opens it at once; nobody may write to it until a rule or access list says so."""
    config = settings(values or [])
    with admin(data) as stub:
        answer = stub.AddBot(admin_pb2.AddBotRequest(name=name, adapter=adapter, config=config))
    _changed(answer.bot, json=json)


@app.command("list", epilog="Example: jackfield bot list")
def list_bots(data: Data = None, json: Json = False) -> None:
    """List bots with their state."""
    with admin(data) as stub:
        response = stub.ListBots(admin_pb2.ListBotsRequest())
    if json:
        print_json(response)
        return
    print_table(BOT_COLUMNS, map(bot_row, response.bots), empty="No bots. Add one: jackfield bot add --help")


@app.command(epilog="Example: jackfield bot show web")
def show(name: Name, data: Data = None, json: Json = False) -> None:
    """Show one bot with its configuration; secrets are masked."""
    with admin(data) as stub:
        found = stub.GetBot(admin_pb2.GetBotRequest(name=name))
    if json:
        print_json(found)
        return
    config = json_format.MessageToDict(found.config)
    print_facts(
        (
            ("bot", found.bot.name),
            ("state", state_of(found.bot)),
            ("reason", said(found.bot.reason) if found.bot.HasField("reason") else ""),
            ("fix", found.bot.reason.remedy),
            ("adapter", f"{found.bot.adapter} ({found.bot.platform})"),
            ("from", found.bot.source),
            ("reached at", "\n".join(f"{one.label}: {one.url}" for one in found.bot.addresses)),
            ("config", "\n".join(f"{key}: {value}" for key, value in sorted(config.items()))),
        )
    )


@app.command(epilog="Example: jackfield bot enable web")
def enable(name: Name, data: Data = None, json: Json = False) -> None:
    """Switch a bot on."""
    _switch(name, data, on=True, json=json)


@app.command(epilog="Example: jackfield bot disable web")
def disable(name: Name, data: Data = None, json: Json = False) -> None:
    """Switch a bot off; its adapter and other bots go on."""
    _switch(name, data, on=False, json=json)


@app.command(epilog="Example: jackfield bot remove support --yes")
def remove(name: Name, data: Data = None, yes: Yes = False) -> None:
    """Remove a bot that was added by `bot add`."""
    confirm(f"Remove the bot {name} and its configuration?", yes=yes)
    with admin(data) as stub:
        stub.RemoveBot(admin_pb2.RemoveBotRequest(name=name))
    say(f"Removed {name}.")


def _switch(name: str, data: Any, *, on: bool, json: bool) -> None:
    with admin(data) as stub:
        answer = stub.SetBotEnabled(admin_pb2.SetBotEnabledRequest(name=name, enabled=on))
    _changed(answer.bot, json=json)


def _changed(bot: admin_pb2.BotStatus, *, json: bool) -> None:
    if json:
        print_json(bot)
        return
    say(f"{bot.name} is {state_of(bot)}." + (f" {said(bot.reason)}" if bot.HasField("reason") else ""))
