"""Checks requests and answers against the published description of the Bot API (10.1), reduced to names and types."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

_FILE = Path(__file__).with_name("bot_api.json")
_PLAIN = {"Integer": int, "String": str, "Boolean": bool, "True": bool, "Float": (int, float)}


@cache
def description() -> dict[str, Any]:
    """The whole description."""
    loaded: dict[str, Any] = json.loads(_FILE.read_text())
    return loaded


def request_problems(method: str, params: dict[str, Any], files: set[str]) -> Iterator[str]:
    """What the description does not allow in a request. `files` are the names of uploaded parts."""
    known = description()["methods"].get(method)
    if known is None:
        yield f"no method {method}"
        return
    attached = {
        value.removeprefix("attach://") for value in _strings(params) if value.startswith("attach://")
    }
    for name in params.keys() | files:
        if name not in known["params"] and name not in attached:
            yield f"{method}: no parameter {name}"
    for name, (types, required) in known["params"].items():
        if required and name not in params and name not in files:
            yield f"{method}: {name} is missing"
        if name in params:
            yield from _value_problems(f"{method}.{name}", types, params[name])


def answer_problems(method: str, answer: Any) -> list[str]:
    """What the description does not allow in an answer."""
    return list(_value_problems(method, description()["methods"][method]["returns"], answer))


def object_problems(kind: str, value: Any) -> list[str]:
    """What the description does not allow in an object such as an Update."""
    return list(_value_problems(kind, [kind], value))


def _value_problems(at: str, types: list[str], value: Any) -> Iterator[str]:
    found: list[str] = []
    for kind in types:
        problems = list(_one(at, kind, value))
        if not problems:
            return
        found += problems
    yield from found


def _one(at: str, kind: str, value: Any) -> Iterator[str]:
    if kind.startswith("Array of "):
        if not isinstance(value, list):
            yield f"{at}: not a list"
            return
        for number, item in enumerate(value):
            yield from _one(f"{at}[{number}]", kind.removeprefix("Array of "), item)
        return
    if kind in _PLAIN:
        if not isinstance(value, _PLAIN[kind]) or (kind in ("Integer", "Float") and isinstance(value, bool)):
            yield f"{at}: not {kind}: {value!r:.60}"
        return
    known = description()["types"].get(kind)
    if known is None or kind == "InputFile":
        return
    if known.get("subtypes"):
        yield from _value_problems(at, known["subtypes"], value)
        return
    if not isinstance(value, dict):
        yield f"{at}: not a {kind}: {value!r:.60}"
        return
    fields = known.get("fields", {})
    for name in value:
        if name not in fields:
            yield f"{at}: {kind} has no {name}"
    for name, (types, required) in fields.items():
        if required and name not in value:
            yield f"{at}: {kind}.{name} is missing"
        if name in value:
            yield from _value_problems(f"{at}.{name}", types, value[name])


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)
