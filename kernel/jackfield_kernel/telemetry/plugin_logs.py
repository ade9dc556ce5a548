"""What plugins write, as records of the kernel's log."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Protocol


class Line(Protocol):
    """A line of a plugin's output: `supervisor.LogLine`."""

    @property
    def plugin(self) -> str:
        """Id of the plugin."""
        ...

    @property
    def level(self) -> str:
        """`debug`, `info`, `warning` or `error`."""
        ...

    @property
    def text(self) -> str:
        """The line, safe to print."""
        ...

    @property
    def fields(self) -> Mapping[str, Any]:
        """What a JSON line said beside level and message."""
        ...


def log_line(line: Line) -> None:
    """Log a plugin's line under `plugin.<id>`. Safe to call from any thread."""
    level = logging.getLevelNamesMapping().get(line.level.upper(), logging.INFO)
    logger = logging.getLogger(f"plugin.{line.plugin}")
    # Time and logger of the record are ours; what the author gave as `extra` counts as any other field.
    fields = {key: value for key, value in line.fields.items() if key not in ("time", "logger", "fields")}
    inner = line.fields.get("fields")
    if isinstance(inner, Mapping):
        fields = {**inner, **fields}
    logger.log(level, "%s", line.text, extra={"plugin": line.plugin, "fields": fields})
