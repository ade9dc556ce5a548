"""`jackfield completion`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal

import typer
from typer.completion import get_completion_script  # type: ignore[attr-defined]

from .lazy import new_app
from .main import COMPLETE

app = new_app()


@app.command(
    epilog="Example: jackfield completion bash > ~/.local/share/bash-completion/completions/jackfield"
)
def completion(
    shell: Annotated[
        Literal["bash", "zsh", "fish"] | None,
        typer.Argument(help="Which shell.", show_default="yours"),
    ] = None,
) -> None:
    """Print the script that completes `jackfield` in your shell."""
    named = shell or Path(os.environ.get("SHELL", "bash")).name
    found = named if named in ("bash", "zsh", "fish") else "bash"
    script: str = get_completion_script(prog_name="jackfield", complete_var=COMPLETE, shell=found)
    print(script)
