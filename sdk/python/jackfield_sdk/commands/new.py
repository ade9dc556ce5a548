"""`jackfield new`: writes a complete plugin folder."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from jackfield_sdk.commands.agent_templates import AGENT_TEMPLATES
from jackfield_sdk.commands.templates import TEMPLATES as HANDLER_TEMPLATES

TEMPLATES = HANDLER_TEMPLATES | AGENT_TEMPLATES
ID = re.compile(r"[a-z][a-z0-9-]{0,39}")


def new(
    template: Annotated[
        str, typer.Argument(help="handler, adapter, tool or model: with the SDK; raw: a handler without it.")
    ],
    name: Annotated[str, typer.Argument(help="Id of the plugin: a-z, 0-9 and '-'.")],
    folder: Annotated[Path | None, typer.Option(help="Where to write it. Default: ./NAME.")] = None,
) -> None:
    """Write a plugin with manifest, code, test and README.

    Example: `jackfield new handler hello`, then `jackfield dev hello`.
    """
    if ID.fullmatch(name) is None:
        raise typer.BadParameter(f"{name!r} is no plugin id: begin with a-z, then a-z, 0-9 and '-'")
    if template not in TEMPLATES:
        raise typer.BadParameter(f"no template {template!r}; there are: {', '.join(TEMPLATES)}")
    target = folder or Path(name)
    if target.exists():
        raise typer.BadParameter(f"{target} exists already")
    for path in write_plugin(name, template, target):
        typer.echo(path)


def write_plugin(name: str, template: str, target: Path) -> list[Path]:
    """Writes the files of a template and returns their paths."""
    package = f"jackfield_{name.replace('-', '_')}"
    written = []
    for path, content in TEMPLATES[template].items():
        file = target / path.replace("PACKAGE", package)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content.replace("PACKAGE", package).replace("NAME", name), encoding="utf-8")
        written.append(file)
    return written
