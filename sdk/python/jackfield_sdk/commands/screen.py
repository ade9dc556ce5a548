"""What the commands print: text that cannot play tricks on the terminal, log lines and errors for people."""

from __future__ import annotations

import json
from datetime import datetime

import typer
from jackfield.v1 import error_pb2

COLOURS = {"error": typer.colors.RED, "warning": typer.colors.YELLOW}


def visible(text: str) -> str:
    """The text with every control character but line feed and tab made harmless."""
    return "".join(c if c.isprintable() or c in "\n\t" else "\N{REPLACEMENT CHARACTER}" for c in text)


def note(text: str, colour: str = "") -> None:
    """One line about what happens."""
    typer.secho(visible(text), fg=colour or typer.colors.CYAN)


def indented(text: str) -> None:
    """Several lines that belong to the line before, such as a traceback."""
    for line in visible(text).rstrip("\n").splitlines():
        typer.secho(f"    {line}", fg=typer.colors.RED)


def log_line(line: str) -> str:
    """Print one line of a plugin's log; returns the traceback in it, if any."""
    record = _record(line)
    if record is None:
        typer.echo(f"  | {visible(line)}")
        return ""
    level = str(record.get("level", "info"))
    fields = record.get("fields")
    text = f"  | {_clock(str(record.get('time', '')))} {level:<7} {record['message']}"
    if isinstance(fields, dict):
        text += "".join(f" {key}={value}" for key, value in fields.items())
    typer.secho(visible(text), fg=COLOURS.get(level))
    traceback = str(record.get("traceback") or "")
    if traceback:
        indented(traceback)
    return traceback


def failure(error: error_pb2.Error, before: str = "") -> None:
    """An error with what to do about it, on stderr."""
    first, *more = visible(error.message or error.reason).splitlines()
    typer.secho(f"{before}{first} [{error.reason}]", fg=typer.colors.RED, err=True)
    for line in more:
        typer.secho(f"  {line}", fg=typer.colors.RED, err=True)
    if error.remedy:
        typer.echo(f"  Fix: {visible(error.remedy)}", err=True)


def _record(line: str) -> dict[str, object] | None:
    """A structured line, as the SDK writes it."""
    if not line.startswith("{"):
        return None
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) and "message" in found else None


def _clock(time: str) -> str:
    """Local time of day."""
    try:
        return f"{datetime.fromisoformat(time).astimezone():%H:%M:%S}"
    except ValueError:
        return time
