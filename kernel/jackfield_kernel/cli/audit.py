"""`jackfield audit`: who did what, and what was refused."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from google.protobuf.json_format import MessageToJson
from jackfield.v1 import admin_pb2, admin_pb2_grpc

from ..telemetry.safe_text import one_line
from .client import admin
from .failure import Failure
from .lazy import new_app
from .moments import moment
from .options import Data, Json
from .show import clock, print_json, print_table, say

app = new_app()

PAGE = 1_000
COLUMNS = ("time", "who", "", "what", "to what", "why or which event")


@app.command(epilog="Example: jackfield audit --since 2h --denied")
def audit(
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=1000, help="At most so many.")] = 50,
    since: Annotated[
        str, typer.Option("--since", metavar="TIME", help="Only later than 15m, 2h, 7d ago, or an ISO time.")
    ] = "",
    plugin: Annotated[
        str, typer.Option("--plugin", metavar="NAME", help="Only what it did, or what was done to it.")
    ] = "",
    denied: Annotated[bool, typer.Option("--denied", help="Only what was refused.")] = False,
    export: Annotated[
        Path | None,
        typer.Option(
            "--export", metavar="FILE", help="Write all of it as JSON lines, oldest last, to a new file."
        ),
    ] = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """Show the audit trail, newest first: calls between plugins, denials, acts of the operator."""
    request = admin_pb2.ListAuditRequest(limit=limit, plugin=plugin, denied=denied)
    if (begin := moment(since)) is not None:
        request.since.FromDatetime(begin)
    with admin(data) as stub:
        if export is not None:
            say(f"{_export(stub, request, export)} entries written to {export}")
            return
        response = stub.ListAudit(request)
    if json:
        print_json(response)
        return
    print_table(COLUMNS, map(row, response.entries), empty="Nothing was done yet.")
    if response.next:
        say("There is more: raise --limit, or write all with --export FILE.")


def row(entry: admin_pb2.AuditEntry) -> tuple[str, ...]:
    """An entry on one line."""
    times = f"{entry.count} times" if entry.count > 1 else ""
    why = " ".join(filter(None, (entry.reason, times, entry.event_id)))
    word = "ok" if entry.allowed else "DENIED"
    return (
        clock(entry.time),
        one_line(entry.actor, 40),
        word,
        one_line(entry.action.rpartition(".")[2], 60),
        one_line(entry.subject, 40),
        why,
    )


def _export(stub: admin_pb2_grpc.AdminStub, request: admin_pb2.ListAuditRequest, path: Path) -> int:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise Failure(
            f"{path} cannot be written: {error.strerror}.", "Name a file that does not exist."
        ) from error
    count = 0
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        for entry in _all(stub, request):
            file.write(
                MessageToJson(
                    entry,
                    preserving_proto_field_name=True,
                    always_print_fields_with_no_presence=True,
                    indent=None,
                )
                + "\n"
            )
            count += 1
    return count


def _all(
    stub: admin_pb2_grpc.AdminStub, request: admin_pb2.ListAuditRequest
) -> Iterator[admin_pb2.AuditEntry]:
    request.limit = PAGE
    while True:
        response = stub.ListAudit(request)
        yield from response.entries
        if not response.next:
            return
        request.before = response.next
