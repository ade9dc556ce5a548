"""`jackfield forget`."""

from __future__ import annotations

from typing import Annotated

import typer
from jackfield.v1 import admin_state_pb2

from .client import admin
from .lazy import new_app
from .options import Data, Json, Yes, confirm
from .show import print_facts, print_json, say

app = new_app()

SECONDS = 3600.0
"""The whole journal is read."""


@app.command(epilog="Example: jackfield forget 42 --bot support --dry-run")
def forget(
    user: Annotated[str, typer.Argument(metavar="USER", help="The person's id on the platform.")],
    bot: Annotated[str, typer.Option("--bot", metavar="NAME", help="Only what this bot received.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count.")] = False,
    data: Data = None,
    json: Json = False,
    yes: Yes = False,
) -> None:
    """Erase what is kept of one person: events with calls and replies, dead letters, entries, blobs.

    Plugins that observe `jackfield.user_forgotten` are asked to erase what they hold. Backups made before are not touched.
    """
    where = f" of bot {bot}" if bot else ""
    if not dry_run:
        confirm(f"Erase everything that is kept of {user}{where}?", yes=yes)
    with admin(data) as stub:
        answer = stub.ForgetUser(
            admin_state_pb2.ForgetUserRequest(user=user, bot=bot, dry_run=dry_run), timeout=SECONDS
        )
    if json:
        print_json(answer)
        return
    say("Would be erased:" if dry_run else "Erased:")
    print_facts(
        (
            ("events", f"{answer.events} ({answer.records} records)"),
            ("dead letters", str(answer.dead_letters)),
            ("entries", str(answer.entries)),
            ("blobs", str(answer.blobs)),
            ("plugins asked", ", ".join(answer.plugins) or "none observe jackfield.user_forgotten"),
        )
    )
    if answer.open:
        say(f"{answer.open} events are not settled yet and stay. Run this again once they are.")
