"""`jackfield doctor`: what would go wrong on this machine, before it does."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer

from ..config import data_directory
from .bundle import Part, kernel_parts, machine_parts, write_bundle
from .checks import Finding, run_checks
from .client import admin
from .failure import NoKernel
from .lazy import new_app
from .options import Data, Json
from .show import print_plain_json, print_table, say, with_fix

app = new_app()


@app.command(epilog="Example: jackfield doctor --bundle fault.zip")
def doctor(
    bundle: Annotated[
        Path | None,
        typer.Option(
            "--bundle", metavar="FILE", help="Also pack what helps to find a fault into a new zip file."
        ),
    ] = None,
    with_content: Annotated[
        bool,
        typer.Option("--with-content", help="Pack also what may hold content of messages, such as logs."),
    ] = False,
    data: Data = None,
    json: Json = False,
) -> None:
    """Check this machine, and say what would go wrong. Exit code 1 when something would. Needs no kernel."""
    checks = run_checks(data_directory(data, os.environ), os.environ)
    if bundle is not None:
        names = write_bundle(bundle, _parts(checks, data, content=with_content))
        say(f"{len(names)} files packed into {bundle}. Look through it before you hand it on.", stderr=True)
    if json:
        print_plain_json([check.as_json() for check in checks])
    else:
        rows = ((one.name, one.result, with_fix(one.detail, one.remedy)) for one in checks)
        print_table(("check", "result", "found"), rows)
        if all(one.result == "ok" for one in checks):
            say("All is well.")
    if any(one.result == "fail" for one in checks):
        raise typer.Exit(1)


def _parts(checks: Sequence[Finding], data: Path | None, *, content: bool) -> Iterator[Part]:
    yield from machine_parts(checks, content=content)
    try:
        with admin(data) as stub:
            yield from kernel_parts(stub, content=content)
    except NoKernel as none:
        yield "kernel.txt", none.message
