"""`jackfield conformance`: says what an adapter does of what it promises."""

from __future__ import annotations

import asyncio
import importlib
import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from jackfield_sdk.conformance.case import Outcome, Result
from jackfield_sdk.conformance.catalogue import catalogue
from jackfield_sdk.conformance.declared import Declared, UnusablePlugin, read
from jackfield_sdk.conformance.matrix import matrix
from jackfield_sdk.conformance.platform import LocalPlatform
from jackfield_sdk.conformance.process import AdapterDied
from jackfield_sdk.conformance.report import summary, write
from jackfield_sdk.conformance.runner import run
from jackfield_sdk.errors import JackfieldError

conformance = typer.Typer(
    name="conformance",
    no_args_is_help=True,
    help="Check a plugin against the contract.",
    rich_markup_mode=None,
)


@conformance.command()
def adapter(
    plugin: Annotated[
        Path,
        typer.Option("--plugin", metavar="DIR", help="Folder of the adapter.", exists=True, file_okay=False),
    ],
    server: Annotated[
        str, typer.Option("--server", metavar="MODULE:FACTORY", help="The local platform, see the guide.")
    ],
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Where evidence, report and JUnit file go.")
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option("--only", metavar="ID", help="Only this case; may be repeated.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> None:
    """Runs an adapter's own process against a local platform and checks it case by case.

    Example: `jackfield conformance adapter --plugin . --server tests.fixture:create --out report`. Ends with 1 when a case failed.
    """
    declared = _declared(plugin)
    wanted = tuple(only or ())
    if not catalogue(declared, wanted):
        raise typer.BadParameter(
            f"no case is called {', '.join(wanted)}; ids look like TX-01 or TX-04[image]"
        )
    platform = _platform(server)
    try:
        done = asyncio.run(run(declared, platform, only=wanted, told=_quiet if as_json else _tell))
    except (AdapterDied, JackfieldError, TimeoutError) as error:
        typer.echo(f"{declared.name} did not come up: {str(error) or 'it was not ready in time'}", err=True)
        raise typer.Exit(2) from error
    paths = write(done, out) if out is not None else []
    if as_json:
        typer.echo(json.dumps(summary(done), indent=1, ensure_ascii=False))
    else:
        counts = ", ".join(f"{done.count(outcome)} {outcome}" for outcome in Outcome)
        typer.echo(f"{declared.name} {declared.version}: {counts} in {done.seconds:.1f} s")
        for path in paths:
            typer.echo(path)
    raise typer.Exit(0 if done.ok else 1)


@conformance.command("matrix")
def support_matrix(
    reports: Annotated[Path, typer.Argument(metavar="DIR", help="Folder with reports of `adapter --out`.")],
    page: Annotated[Path, typer.Option("--page", help="The page to write.")],
) -> None:
    """Writes the support matrix of all adapters from their reports.

    Example: `jackfield conformance matrix reports --page support-matrix.md`.
    """
    found = sorted(reports.glob("*.json"))
    if not found:
        raise typer.BadParameter(
            f"{reports} holds no reports: run `jackfield conformance adapter --out {reports}`"
        )
    page.write_text(
        matrix([json.loads(path.read_text(encoding="utf-8")) for path in found]), encoding="utf-8"
    )
    typer.echo(page)


def _declared(plugin: Path) -> Declared:
    try:
        return read(plugin.resolve())
    except UnusablePlugin as error:
        raise typer.BadParameter(str(error), param_hint="--plugin") from error


def _platform(server: str) -> LocalPlatform:
    module, _, factory = server.partition(":")
    # As `python -m`: a fixture of the folder where the author works.
    sys.path.insert(0, str(Path.cwd()))
    try:
        platform = getattr(importlib.import_module(module), factory or "create")()
    except (ImportError, AttributeError, TypeError) as error:
        raise typer.BadParameter(f"{server}: {error}", param_hint="--server") from error
    if not isinstance(platform, LocalPlatform):
        raise typer.BadParameter(f"{server} gives no LocalPlatform but {type(platform).__name__}")
    return platform


def _tell(result: Result) -> None:
    if result.outcome is not Outcome.SKIP:
        why = f": {result.reason}" if result.reason else ""
        typer.echo(f"{result.outcome:4} {result.case.key:40} {result.case.title}{why}")


def _quiet(result: Result) -> None:
    """The summary says it."""
