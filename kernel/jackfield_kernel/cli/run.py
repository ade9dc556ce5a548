"""`jackfield run`: the kernel in the foreground."""

from __future__ import annotations

from contextlib import closing, nullcontext
from pathlib import Path
from typing import Annotated, Literal

import typer

from ..forkserver import early
from .lazy import new_app
from .options import Data

app = new_app()


@app.command(epilog="Example: jackfield run --data ./bots --log-format json")
def run(
    data: Data = None,
    config: Annotated[
        Path | None,
        typer.Option("--config", metavar="FILE", help="jackfield.yaml; JACKFIELD_CONFIG, or the one in DIR."),
    ] = None,
    memory: Annotated[
        bool, typer.Option("--memory", help="Keep the journal in memory: fast, and lost at the end.")
    ] = False,
    log_format: Annotated[
        Literal["text", "json"] | None, typer.Option("--log-format", help="How to log.", show_default="text")
    ] = None,
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"] | None,
        typer.Option("--log-level", help="What to log.", show_default="info"),
    ] = None,
) -> None:
    """Start the kernel and the plugins, and print their addresses. Ctrl-C stops in order, twice at once."""
    # It imports on another core what plugins need, while this one imports the kernel.
    server = early()
    with closing(server) if server else nullcontext():
        from .foreground import start

        code = start(data, config, memory=memory, log_format=log_format, log_level=log_level, forks=server)
    raise typer.Exit(code)
