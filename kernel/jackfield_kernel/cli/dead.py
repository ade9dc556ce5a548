"""`jackfield dead`: deliveries that were given up."""

from __future__ import annotations

from typing import Annotated

import typer
from jackfield.v1 import admin_pb2

from ..telemetry.safe_text import one_line
from .client import admin
from .failure import Failure, UsageFailure
from .lazy import new_app
from .options import Data, Json, Yes, confirm
from .show import brief, clock, print_facts, print_json, print_table, said, say
from .story import print_story

app = new_app("Look at dead letters, replay or discard them.")

Ids = Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="Ids of deliveries.")]
All = Annotated[bool, typer.Option("--all", help="All of them.")]
COLUMNS = ("time", "delivery", "handler", "attempts", "why", "text")


@app.command("list", epilog="Example: jackfield dead list --handler echo")
def list_dead(
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=1000, help="At most so many.")] = 50,
    handler: Annotated[str, typer.Option("--handler", metavar="PLUGIN", help="Only of this handler.")] = "",
    data: Data = None,
    json: Json = False,
) -> None:
    """List dead letters, newest first."""
    with admin(data) as stub:
        response = stub.ListDeadLetters(admin_pb2.ListDeadLettersRequest(limit=limit, handler=handler))
    if json:
        print_json(response)
        return
    rows = (
        (
            clock(one.time),
            one.delivery_id,
            one.handler,
            str(one.attempts),
            brief(one.error),
            one_line(one.event.text),
        )
        for one in response.dead_letters
    )
    print_table(COLUMNS, rows, empty="No dead letters.", folding=2)


@app.command(epilog="Example: jackfield dead show 019af2c1-....0")
def show(
    delivery_id: Annotated[str, typer.Argument(metavar="ID", help="Id of the delivery.")],
    data: Data = None,
    json: Json = False,
) -> None:
    """Show a dead letter: why it was given up, with the traceback if there is one, and the event's story."""
    with admin(data) as stub:
        found = stub.ListDeadLetters(admin_pb2.ListDeadLettersRequest(limit=1000)).dead_letters
        letter = next((one for one in found if one.delivery_id == delivery_id), None)
        if letter is None:
            raise Failure(
                f"There is no dead letter {delivery_id}.", "See `jackfield dead list`.", "NOT_FOUND"
            )
        story = None if json else stub.GetEvent(admin_pb2.GetEventRequest(id=letter.event.id))
    if story is None:
        print_json(letter)
        return
    print_facts(
        (
            ("delivery", letter.delivery_id),
            ("handler", letter.handler),
            ("rule", letter.rule_id),
            ("given up", clock(letter.time)),
            ("why", said(letter.error)),
            ("fix", letter.error.remedy),
            ("attempts", str(letter.attempts)),
            ("lost sessions", str(letter.crashes or "")),
            ("traceback", letter.error.metadata.get("traceback", "")),
        )
    )
    say()
    print_story(story)


@app.command(epilog="Example: jackfield dead replay --all")
def replay(
    ids: Ids = None, every: All = False, data: Data = None, json: Json = False, yes: Yes = False
) -> None:
    """Put dead letters back into their lanes, to be tried anew."""
    chosen = _chosen(ids, every=every)
    if every:
        confirm("Replay every dead letter?", yes=yes)
    with admin(data) as stub:
        answer = stub.ReplayDeadLetters(admin_pb2.ReplayDeadLettersRequest(delivery_ids=chosen))
    if json:
        print_json(answer)
    else:
        say(f"Replayed {answer.replayed}.")


@app.command(epilog="Example: jackfield dead discard 019af2c1-....0 --yes")
def discard(
    ids: Ids = None, every: All = False, data: Data = None, json: Json = False, yes: Yes = False
) -> None:
    """Remove dead letters for good."""
    chosen = _chosen(ids, every=every)
    confirm("Discard every dead letter for good?" if every else f"Discard {len(chosen)} for good?", yes=yes)
    with admin(data) as stub:
        answer = stub.DiscardDeadLetters(admin_pb2.DiscardDeadLettersRequest(delivery_ids=chosen, all=every))
    if json:
        print_json(answer)
    else:
        say(f"Discarded {answer.discarded}.")


def _chosen(ids: list[str] | None, *, every: bool) -> list[str]:
    if bool(ids) == every:
        raise UsageFailure("Name dead letters by id, or give --all.", "See `jackfield dead list`.")
    return ids or []
