"""`jackfield send`."""

from __future__ import annotations

from typing import Annotated

import typer
from jackfield.v1 import admin_pb2, message_pb2

from .client import admin
from .failure import UsageFailure
from .lazy import new_app
from .options import Data, Json
from .show import print_json, say

app = new_app()


@app.command(epilog="Example: jackfield send web:alice 'Hello, Alice'")
def send(
    target: Annotated[
        str, typer.Argument(metavar="BOT:CHAT", help="Where to: web:alice, support:group:123.")
    ],
    text: Annotated[str, typer.Argument(metavar="TEXT", help="What to say.")],
    data: Data = None,
    json: Json = False,
) -> None:
    """Send a message to a chat. A platform's name works in place of a bot where it has one bot."""
    bot, _, chat = target.partition(":")
    if not (bot and chat):
        raise UsageFailure(
            f"{target!r} does not read BOT:CHAT.", "For instance web:alice; see `jackfield bot list`."
        )
    message = message_pb2.Message(segments=[message_pb2.Segment(text=message_pb2.Text(text=text))])
    with admin(data) as stub:
        answer = stub.SendMessage(admin_pb2.AdminSendMessageRequest(target=target, message=message))
    if json:
        print_json(answer)
    else:
        say(f"Sent, message {answer.message_id}." if answer.message_id else "Sent.")
