"""`jackfield config`."""

from __future__ import annotations

import typer
from jackfield.v1 import admin_pb2

from .client import admin
from .lazy import new_app
from .options import Data, Json
from .show import print_errors, print_json, print_table, say

app = new_app("Check the configuration.")


@app.callback()
def config() -> None:
    """Check the configuration."""


@app.command(epilog="Example: jackfield config check")
def check(data: Data = None, json: Json = False) -> None:
    """Show every value with where it comes from, and what is wrong. Exit code 1 when something is."""
    with admin(data) as stub:
        response = stub.CheckConfig(admin_pb2.CheckConfigRequest())
    if json:
        print_json(response)
    else:
        rows = ((value.key, value.value, value.origin) for value in response.values)
        print_table(("key", "value", "from"), rows, empty="Nothing is configured.", folding=2)
        if response.problems:
            say("Wrong:")
            print_errors(response.problems)
        else:
            say("Nothing is wrong.")
    if response.problems:
        raise typer.Exit(1)
