"""`jackfield doctor`: what would go wrong on this machine, before it does."""

from __future__ import annotations

import os

import typer

from ..config import data_directory
from .checks import run_checks
from .lazy import new_app
from .options import Data, Json
from .show import print_plain_json, print_table, say, with_fix

app = new_app()


@app.command(epilog="Example: jackfield doctor --json")
def doctor(data: Data = None, json: Json = False) -> None:
    """Check this machine, and say what would go wrong. Exit code 1 when something would. Needs no kernel."""
    checks = run_checks(data_directory(data, os.environ), os.environ)
    if json:
        print_plain_json([check.as_json() for check in checks])
    else:
        rows = ((one.name, one.result, with_fix(one.detail, one.remedy)) for one in checks)
        print_table(("check", "result", "found"), rows)
        if all(one.result == "ok" for one in checks):
            say("All is well.")
    if any(one.result == "fail" for one in checks):
        raise typer.Exit(1)
