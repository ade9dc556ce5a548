"""One thing wrong with a file people wrote: where, what was expected, and what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails


@dataclass(frozen=True)
class Problem:
    """`file` and `key` (a dotted path, empty for the whole file) say where; `remedy` is an instruction."""

    file: str
    key: str
    expected: str
    remedy: str

    def __str__(self) -> str:
        where = f"{self.file}: {self.key}" if self.key else self.file
        return f"{where}: expected {self.expected}. {self.remedy}"


def key_path(parts: Iterable[str | int]) -> str:
    """Render `("provides", "actions", 0, "name")` as `provides.actions[0].name`."""
    path = ""
    for part in parts:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else str(part)
    return path


def suggestion(wrong: str, known: Iterable[str]) -> str | None:
    """Return the known name that `wrong` was probably meant to be."""
    close = difflib.get_close_matches(wrong, sorted(known), n=1, cutoff=0.6)
    return close[0] if close else None


def unknown_key(file: str, parts: Sequence[str | int], known: Iterable[str]) -> Problem:
    """Describe a key nobody reads, with the one it was probably meant to be."""
    names = sorted(known)
    wrong = str(parts[-1])
    meant = suggestion(wrong, names)
    expected = f"one of the keys {', '.join(names)}" if names else "no key here"
    remedy = f"Did you mean {meant}?" if meant else f"Remove {wrong}."
    return Problem(file, key_path(parts), expected, remedy)


def problems_of(error: ValidationError, model: type[BaseModel], file: str) -> list[Problem]:
    """Translate pydantic's findings about `model` into problems with remedies."""
    return [_problem(detail, model, file) for detail in error.errors(include_url=False)]


def known_keys(model: type[BaseModel], parts: Sequence[str | int]) -> list[str]:
    """Return the keys that the table at `parts` below `model` may have; empty when any may stand there."""
    place: Any = model
    for part in parts:
        place = _inside(place, part)
    place = _unwrapped(place)
    return [field.alias or name for name, field in place.model_fields.items()] if _is_model(place) else []


def _problem(detail: ErrorDetails, model: type[BaseModel], file: str) -> Problem:
    parts, kind = detail["loc"], detail["type"]
    key, given = key_path(parts), detail.get("input")
    if kind == "extra_forbidden":
        return unknown_key(file, parts, known_keys(model, parts[:-1]))
    if kind == "missing":
        return Problem(file, key, "a value", f"Add the required key {key}.")
    context = detail.get("ctx", {})
    if kind == "expected":
        remedy = str(context.get("remedy") or f"Correct {key or 'the file'}; it is {_shown(given)}.")
        return Problem(file, key, str(context.get("expected", detail["msg"])), remedy)
    if kind in ("literal_error", "enum"):
        expected = f"one of {context.get('expected', '')}".replace("'", "")
        meant = suggestion(str(given), expected.removeprefix("one of ").replace(" or ", ", ").split(", "))
        return Problem(
            file, key, expected, f"Did you mean {meant}?" if meant else f"Replace {_shown(given)}."
        )
    text = detail["msg"]
    for lead in ("Input should be ", "Value error, "):
        text = text.removeprefix(lead)
    remedy = f"Correct {key or 'the file'}; it is {_shown(given)}."
    if kind == "string_type" and isinstance(given, (int, float)):
        remedy = f'Put it in quotes: "{given}".'
    return Problem(file, key, text[:1].lower() + text[1:], remedy)


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _inside(place: Any, part: str | int) -> Any:
    place = _unwrapped(place)
    if _is_model(place):
        fields = place.model_fields.items()
        return next((field.annotation for name, field in fields if part in (name, field.alias)), None)
    arguments = get_args(place)
    if get_origin(place) is list:
        return arguments[0]
    if get_origin(place) is dict:
        return arguments[1]
    return None


def _unwrapped(place: Any) -> Any:
    while get_origin(place) in (Annotated, Union, UnionType):
        origin, arguments = get_origin(place), get_args(place)
        place = (
            arguments[0] if origin is Annotated else next((a for a in arguments if a is not type(None)), None)
        )
    return place


def _is_model(place: Any) -> bool:
    return isinstance(place, type) and issubclass(place, BaseModel)
