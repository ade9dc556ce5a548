"""Settings given on the command line, as `--set KEY=VALUE`."""

from __future__ import annotations

from typing import Any

import yaml
from google.protobuf import json_format
from google.protobuf.struct_pb2 import Struct

from .failure import UsageFailure


def settings(values: list[str]) -> Struct:
    """Read `a.b=VALUE` settings, each value as YAML, `@FILE` as a file's text. Raises UsageFailure."""
    tree: dict[str, Any] = {}
    for setting in values:
        key, split, text = setting.partition("=")
        *path, last = key.split(".")
        if not split or not all((*path, last)):
            raise UsageFailure(f"{setting!r} does not read KEY=VALUE.", "For instance --set token=abc.")
        at = tree
        for part in path:
            inner = at.setdefault(part, {})
            if not isinstance(inner, dict):
                raise UsageFailure(
                    f"{key} is set inside a value that is no table.", "Leave one of the two out."
                )
            at = inner
        at[last] = _value(key, text)
    config = Struct()
    json_format.ParseDict(tree, config)
    return config


def _value(key: str, text: str) -> Any:
    if text.startswith("@"):
        try:
            with open(text[1:], encoding="utf-8") as file:
                return file.read().strip()
        except OSError as error:
            raise UsageFailure(
                f"{text[1:]} cannot be read: {error.strerror}.", f"Correct --set {key}=."
            ) from error
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        return text
    # Dates and the like have no JSON form: they stay what was typed.
    return value if isinstance(value, bool | int | float | str | list | dict | None) else text
