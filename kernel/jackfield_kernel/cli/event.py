"""`jackfield event`: what came in, and what became of it."""

from __future__ import annotations

from typing import Annotated

import typer
from jackfield.v1 import admin_pb2

from ..telemetry.safe_text import one_line
from .client import admin
from .lazy import new_app
from .options import Data, Json
from .show import clock, print_json, print_json_line, print_table, say, say_now
from .story import print_story

app = new_app("Look at events and their whole story.")

Bot = Annotated[str, typer.Option("--bot", metavar="BOT", help="Only of this bot.")]
Type = Annotated[str, typer.Option("--type", metavar="PATTERN", help="Only of such types: message.*")]
COLUMNS = ("time", "event", "type", "bot", "sender", "text")


@app.command("list", epilog="Example: jackfield event list --bot web --type 'message.*'")
def list_events(
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=1000, help="At most so many.")] = 20,
    bot: Bot = "",
    type: Type = "",
    before: Annotated[int, typer.Option("--before", help="Only older ones, from a page's end.")] = 0,
    data: Data = None,
    json: Json = False,
) -> None:
    """List events, newest first."""
    with admin(data) as stub:
        response = stub.ListEvents(
            admin_pb2.ListEventsRequest(limit=limit, bot=bot, type=type, before=before)
        )
    if json:
        print_json(response)
        return
    print_table(COLUMNS, map(row, response.events), empty="No events.")
    if response.next:
        say(f"Older ones: add --before {response.next}")


@app.command(epilog="Example: jackfield event show 019af2c1")
def show(
    event_id: Annotated[str, typer.Argument(metavar="ID", help="Its id, or the first 8 characters or more.")],
    data: Data = None,
    json: Json = False,
) -> None:
    """Tell the whole story of an event: what it was, its rules, the calls made, and how it ended."""
    with admin(data) as stub:
        story = stub.GetEvent(admin_pb2.GetEventRequest(id=event_id))
    if json:
        print_json(story)
    else:
        print_story(story)


@app.command(epilog="Example: jackfield event tail --json | jq .text")
def tail(bot: Bot = "", type: Type = "", data: Data = None, json: Json = False) -> None:
    """Print events as they become durable, until interrupted."""
    with admin(data) as stub:
        for response in stub.TailEvents(admin_pb2.TailEventsRequest(bot=bot, type=type)):
            if json:
                print_json_line(response)
                continue
            if response.skipped:
                say(f"({response.skipped} events left out: this terminal was too slow)", stderr=True)
            say_now("  ".join(one for one in row(response.event) if one))


def row(event: admin_pb2.EventSummary) -> tuple[str, ...]:
    """An event on one line."""
    return (
        clock(event.time),
        event.id,
        event.type,
        event.bot,
        one_line(event.sender, 20),
        one_line(event.text),
    )
