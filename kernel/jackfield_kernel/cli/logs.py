"""`jackfield logs`: what kernel and plugins wrote."""

from __future__ import annotations

import json as json_text
from collections.abc import Iterator
from typing import Annotated, Literal

import typer
from google.protobuf.json_format import MessageToDict
from jackfield.v1 import admin_pb2

from ..telemetry.safe_text import one_line
from .client import admin
from .lazy import new_app
from .options import Data, Json
from .show import clock, print_json_line, say_now

app = new_app()

_SHORT = {"WARNING": "WARN", "UNSPECIFIED": ""}


@app.command(epilog="Example: jackfield logs echo --follow --level warning")
def logs(
    plugin: Annotated[
        str, typer.Argument(metavar="[PLUGIN]", help="Its own log file; without it everything.")
    ] = "",
    lines: Annotated[
        int, typer.Option("--lines", "-n", min=1, max=10_000, help="How many to begin with.")
    ] = 50,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with new lines.")] = False,
    level: Annotated[
        Literal["debug", "info", "warning", "error"],
        typer.Option("--level", help="Only lines of this level or above."),
    ] = "debug",
    trace: Annotated[str, typer.Option("--trace", metavar="ID", help="Only lines of this trace.")] = "",
    event: Annotated[
        str,
        typer.Option(
            "--event", metavar="ID", help="Only lines about this event, or the beginning of its id."
        ),
    ] = "",
    data: Data = None,
    json: Json = False,
) -> None:
    """Show the log of the kernel with what all plugins wrote, or one plugin's whole log file."""
    request = admin_pb2.ReadLogsRequest(
        plugin=plugin,
        lines=lines,
        follow=follow,
        level=admin_pb2.LogLevel.Value(f"LOG_LEVEL_{level.upper()}"),
        trace_id=trace,
        event_id=event,
    )
    with admin(data) as stub:
        for part in stub.ReadLogs(request):
            for entry in part.entries:
                if json:
                    print_json_line(entry)
                    continue
                for line in shown(entry):
                    say_now(line)


def shown(entry: admin_pb2.LogEntry) -> Iterator[str]:
    """An entry as lines for people: what it says, then its traceback."""
    fields = MessageToDict(entry.fields)
    trace = str(fields.pop("traceback", ""))
    remedy = str(fields.pop("remedy", ""))
    name = admin_pb2.LogLevel.Name(entry.level).removeprefix("LOG_LEVEL_")
    who = entry.plugin or entry.logger.removeprefix("jackfield_kernel.").partition(".")[0]
    extras = [f"{key}={one_line(_plain(value), 200)}" for key, value in sorted(fields.items())]
    if entry.event_id:
        extras.append(f"event={entry.event_id}")
    parts = [clock(entry.time), f"{_SHORT.get(name, name):<5}", f"{who}:", entry.message, *extras]
    yield " ".join(part for part in parts if part)
    if remedy:
        yield f"    {one_line(remedy)}"
    for line in trace.splitlines():
        yield f"    {one_line(line)}"


def _plain(value: object) -> str:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, str) else json_text.dumps(value, ensure_ascii=False)
