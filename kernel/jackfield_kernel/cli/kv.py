"""`jackfield kv`: what plugins keep."""

from __future__ import annotations

import sys
from typing import Annotated

import typer
from jackfield.v1 import admin_state_pb2

from .client import admin
from .failure import UsageFailure
from .lazy import new_app
from .options import Data, Json, Yes, confirm
from .show import clock, print_json, print_table, say

app = new_app("Look at what plugins keep, and mend it.")

Plugin = Annotated[str, typer.Argument(metavar="PLUGIN", help="Id of the plugin.")]
Key = Annotated[str, typer.Argument(metavar="KEY", help="The key.")]
NAMESPACE_COLUMNS = ("plugin", "entries", "of", "bytes", "of")
COLUMNS = ("key", "version", "expires", "value")
SHOWN = 120
"""Characters of a value in a listing."""


@app.command("list", epilog="Example: jackfield kv list router rules/")
def list_entries(
    plugin: Annotated[
        str | None,
        typer.Argument(metavar="[PLUGIN]", help="Id of the plugin; without it: who keeps how much."),
    ] = None,
    prefix: Annotated[str, typer.Argument(metavar="[PREFIX]", help="Only keys that begin with this.")] = "",
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=1000, help="At most so many.")] = 100,
    after: Annotated[str, typer.Option("--after", metavar="KEY", help="Only keys after this one.")] = "",
    data: Data = None,
    json: Json = False,
) -> None:
    """List a plugin's entries, or the plugins that have some. JSON shows values in base64."""
    with admin(data) as stub:
        if plugin is None:
            spaces = stub.ListKvNamespaces(admin_state_pb2.ListKvNamespacesRequest())
            found = None
        else:
            request = admin_state_pb2.ListKvRequest(plugin=plugin, prefix=prefix, after=after, limit=limit)
            found = stub.ListKv(request)
    if json:
        print_json(spaces if found is None else found)
    elif found is None:
        rows = (
            (one.plugin, str(one.entries), str(one.max_entries), str(one.bytes), str(one.max_bytes))
            for one in spaces.namespaces
        )
        print_table(NAMESPACE_COLUMNS, rows, empty="No plugin keeps anything.")
    else:
        entries = (
            (one.key, str(one.version), clock(one.expire_time), _shown(one.value)) for one in found.entries
        )
        print_table(COLUMNS, entries, empty="No entries.")
        if found.more:
            say(f"More follow: --after {found.entries[-1].key}")


@app.command(epilog="Example: jackfield kv get router rules/web")
def get(plugin: Plugin, key: Key, data: Data = None, json: Json = False) -> None:
    """Write a value to standard output, byte for byte."""
    with admin(data) as stub:
        found = stub.GetKv(admin_state_pb2.GetKvRequest(plugin=plugin, key=key))
    if json:
        print_json(found)
        return
    sys.stdout.buffer.write(found.entry.value)
    sys.stdout.buffer.flush()


@app.command("set", epilog="Example: jackfield kv set greeter greeting 'Good day'")
def set_entry(
    plugin: Plugin,
    key: Key,
    value: Annotated[
        str | None, typer.Argument(metavar="[VALUE]", help="The value; standard input when left out.")
    ] = None,
    version: Annotated[
        int | None,
        typer.Option("--if-version", min=0, help="Only when it has this version; 0: only a new key."),
    ] = None,
    ttl: Annotated[
        float | None, typer.Option("--ttl", min=0.001, metavar="SECONDS", help="How long it lives.")
    ] = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """Write an entry of a plugin, which sees it as its own."""
    if value is None and sys.stdin.isatty():
        raise UsageFailure("The value is missing.", "Give it as an argument or on standard input.")
    body = sys.stdin.buffer.read() if value is None else value.encode()
    request = admin_state_pb2.SetKvRequest(plugin=plugin, key=key, value=body, if_version=version)
    if ttl is not None:
        request.ttl.FromMicroseconds(int(ttl * 1_000_000))
    with admin(data) as stub:
        answer = stub.SetKv(request)
    if json:
        print_json(answer)
    else:
        say(f"Set {key}; version {answer.version}.")


@app.command(epilog="Example: jackfield kv delete greeter greeting --yes")
def delete(plugin: Plugin, key: Key, data: Data = None, yes: Yes = False) -> None:
    """Delete an entry of a plugin."""
    confirm(f"Delete {key} of {plugin}?", yes=yes)
    with admin(data) as stub:
        stub.DeleteKv(admin_state_pb2.DeleteKvRequest(plugin=plugin, key=key))
    say(f"Deleted {key}.")


def _shown(value: bytes) -> str:
    text = value.decode(errors="replace")
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"
