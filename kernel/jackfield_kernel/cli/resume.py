"""`jackfield resume`."""

from __future__ import annotations

from typing import Annotated

import typer
from jackfield.v1 import admin_state_pb2

from .client import admin
from .lazy import new_app
from .options import Data, Json, Yes, confirm
from .show import print_json, say

app = new_app()

QUESTIONS = {
    "LOST_TAIL": "Accept that the journal lost its newest events? What plugins were told is durable is gone then.",
}


@app.command(epilog="Example: jackfield resume LOST_TAIL --yes")
def resume(
    reason: Annotated[
        str, typer.Argument(metavar="REASON", help="LOST_TAIL or RESTART_LOOP, as `jackfield status` says.")
    ],
    data: Data = None,
    json: Json = False,
    yes: Yes = False,
) -> None:
    """Lease deliveries again after the kernel held them: LOST_TAIL accepts that the journal lost its newest events."""
    if reason in QUESTIONS:
        confirm(QUESTIONS[reason], yes=yes)
    with admin(data) as stub:
        answer = stub.Resume(admin_state_pb2.ResumeRequest(reason=reason))
    if json:
        print_json(answer)
        return
    for ended in answer.ended:
        say(f"Over: {ended}.")
    say("Deliveries are leased again.")
