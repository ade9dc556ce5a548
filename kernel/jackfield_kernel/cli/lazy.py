"""A group whose commands are imported when they are used, so that each start pays for one command only."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

Loader = Callable[[], Any]
"""Returns the command; imports what it needs."""


@dataclass(frozen=True)
class Verb:
    """A command that is not loaded yet; `summary` is all that the list of commands needs."""

    name: str
    summary: str
    load: Loader = field(repr=False)


def lazy_group(verbs: Callable[[], Mapping[str, Verb]]) -> type[TyperGroup]:
    """Make the class of a group that has `verbs`, for `typer.Typer(cls=...)`."""

    class LazyGroup(TyperGroup):
        def list_commands(self, ctx: Any) -> list[str]:
            return list(verbs())

        def get_command(self, ctx: Any, cmd_name: str) -> Any:
            verb = verbs().get(cmd_name)
            return TyperCommand(cmd_name, help=verb.summary) if verb else None

        def resolve_command(self, ctx: Any, args: list[str]) -> Any:
            name, found, rest = super().resolve_command(ctx, args)
            return name, verbs()[name].load() if name and found else found, rest

    return LazyGroup


def as_command(found: object) -> Any:
    """Turn a typer app, a function or a ready command into a command.

    Raises TypeError for anything else.
    """
    if isinstance(found, typer.Typer):
        return typer.main.get_command(found)
    if isinstance(found, TyperCommand | TyperGroup):
        return found
    if not callable(found):
        raise TypeError(f"{found!r} is neither a typer app nor a function")
    app = new_app()
    app.command()(found)
    return typer.main.get_command(app)


def new_app(text: str = "") -> typer.Typer:
    """An empty app for one command, or for a group when it has a help `text`. Plain help starts fast."""
    return typer.Typer(
        help=text or None,
        no_args_is_help=bool(text),
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
