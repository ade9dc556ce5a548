"""`jackfield`: finds the verb, runs it, and turns what went wrong into words and an exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from functools import cache, partial
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.completion import get_completion_inspect_parameters

from .. import __version__
from .lazy import Verb, as_command, lazy_group

GROUP = "jackfield.commands"

COMPLETE = "_JACKFIELD_COMPLETE"
"""Variable by which the shell asks for completions."""

OWN_VERBS = (
    ("run", "Start the kernel and the plugins."),
    ("status", "Show what runs, what waits and what is wrong."),
    ("stop", "Stop the kernel in order."),
    ("restart", "Restart the kernel; plugins go on meanwhile."),
    ("service", "Install the kernel as a service of systemd."),
    ("doctor", "Check this machine, and say what would go wrong."),
    ("paths", "Show where everything is kept."),
    ("plugin", "Install, enable, look into plugins."),
    ("bot", "Add bots, switch them on and off."),
    ("route", "See which rule sends which event where."),
    ("event", "Look at events and their whole story."),
    ("logs", "Show what kernel and plugins wrote."),
    ("top", "Show live what everything does."),
    ("audit", "Show who did what, and what was refused."),
    ("dead", "Look at dead letters, replay or discard them."),
    ("config", "Check the configuration."),
    ("secret", "Keep tokens and passwords sealed."),
    ("kv", "Look at what plugins keep."),
    ("backup", "Copy everything while the kernel runs."),
    ("restore", "Put a backup in place."),
    ("forget", "Erase what is kept of one person."),
    ("resume", "Lease deliveries again after the kernel held them."),
    ("send", "Send a message to a chat."),
    ("completion", "Print the completion script of your shell."),
)

_ELSEWHERE = {
    "new": "Make a new plugin from a template.",
    "dev": "Run a plugin while you write it.",
    "chat": "Talk to your bots in the terminal.",
    "conformance": "Check a plugin against the contract.",
}
"""Verbs of the SDK: their summaries, which loading them would cost, and a hint when it is not installed."""


@cache
def verbs() -> Mapping[str, Verb]:
    """Every verb: the kernel's own, then those of other distributions."""
    own = {name: Verb(name, text, partial(_own, name)) for name, text in OWN_VERBS}
    others = {
        point.name: _foreign(point) for point in sorted(entry_points(group=GROUP), key=lambda one: one.name)
    }
    return {**{name: verb for name, verb in others.items() if name not in own}, **own}


app = typer.Typer(
    cls=lazy_group(verbs),
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Begin with `jackfield run`. Each command has examples: `jackfield plugin enable --help`.",
)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"jackfield {__version__}")
        raise typer.Exit


@app.callback()
def jackfield(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Jackfield runs chat bots out of plugins, and loses no message."""
    # What verbs of other distributions find the kernel with: they must not import it.
    context.obj = _admin_address


def _admin_address(data: Path | None) -> str:
    """Where the Admin service of the kernel on `data` listens, for a gRPC channel. Raises NoKernel."""
    client = import_module(f"{__package__}.client")
    config = import_module("..config", __package__)
    return f"unix:{client.find_socket(config.data_directory(data, os.environ))}"


def main() -> None:
    """Entry point of the script `jackfield`."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run a command line; return its exit code: 0, 1 failed, 2 wrong usage, 3 no kernel, 130 interrupted."""
    if arguments and arguments[0] in _ELSEWHERE and arguments[0] not in verbs():
        print(
            f"Error: `jackfield {arguments[0]}` comes with jackfield-sdk, which is not installed.",
            file=sys.stderr,
        )
        print(f"  Fix: {sys.executable} -m pip install jackfield-sdk", file=sys.stderr)
        return 2
    if COMPLETE in os.environ:
        # Typer learns the shells here; unasked it does so only for apps with its own completion options.
        get_completion_inspect_parameters()
    try:
        app(arguments, prog_name="jackfield")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1
    except KeyboardInterrupt:
        return 130
    except Exception as error:  # noqa: BLE001 - the edge of the program: failures become words, others propagate
        return _failed(error)
    return 0


def _failed(error: Exception) -> int:
    failure = import_module(f"{__package__}.failure")
    errors = import_module("..errors", __package__)
    if isinstance(error, errors.KernelError):
        error = failure.of_kernel(error)
    if not isinstance(error, failure.Failure):
        raise error
    failure.print_failure(error)
    return int(error.exit_code)


def _own(name: str) -> Any:
    return as_command(import_module(f"{__package__}.{name}").app)


def _foreign(point: EntryPoint) -> Verb:
    origin = point.dist.name if point.dist else point.value
    summary = _ELSEWHERE.get(point.name, f"Comes with {origin}.")
    return Verb(point.name, summary, lambda: as_command(point.load()))
