"""What a manifest promises."""

from __future__ import annotations

import importlib
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jackfield_sdk.manifest import FILE_NAME


class UnusablePlugin(ValueError):
    """The folder holds no adapter that the kit could run; the text says why and what to do."""


@dataclass(frozen=True)
class Declared:
    """The manifest of an adapter, and how to run it."""

    folder: Path
    name: str
    version: str
    platform: str
    provides: dict[str, Any]
    grants: tuple[str, ...]
    config: dict[str, Any]
    bot_config: dict[str, Any]
    command: tuple[str, ...]

    @property
    def events(self) -> tuple[str, ...]:
        """Types of events that the adapter says it publishes."""
        return tuple(self.provides.get("events") or ())

    @property
    def apis(self) -> tuple[str, ...]:
        """Methods in lower snake case."""
        return tuple(self.provides.get("apis") or ())

    @property
    def receives(self) -> tuple[str, ...]:
        """Names of segments that arrive."""
        return tuple((self.provides.get("segments") or {}).get("receive") or ())

    @property
    def sends(self) -> tuple[str, ...]:
        """Names of segments that are sent natively."""
        return tuple((self.provides.get("segments") or {}).get("send") or ())

    @property
    def actions(self) -> tuple[dict[str, Any], ...]:
        """Platform actions."""
        return tuple(self.provides.get("actions") or ())

    @property
    def routes(self) -> tuple[dict[str, Any], ...]:
        """Routes of webhooks."""
        return tuple(self.provides.get("routes") or ())

    @property
    def text_limit(self) -> int:
        """The longest text of one message in the manifest's unit; 0 where none is stated."""
        return int((self.provides.get("limits") or {}).get("text", {}).get("max", 0))

    def secrets(self, config: dict[str, Any]) -> list[str]:
        """The values of a bot's configuration that the manifest marks as secret."""
        marked = [key for key, one in self.bot_config.get("properties", {}).items() if one.get("secret")]
        return [str(config[key]) for key in marked if config.get(key)]


def read(folder: Path) -> Declared:
    """Reads the manifest in a folder or in a package right below it. Raises UnusablePlugin."""
    found = sorted([*folder.glob(FILE_NAME), *folder.glob(f"*/{FILE_NAME}")])
    if len(found) != 1:
        raise UnusablePlugin(
            f"{folder} holds {len(found)} files {FILE_NAME}, one is needed: name the plugin's folder"
        )
    try:
        yaml = importlib.import_module("yaml")
    except ImportError as error:
        raise UnusablePlugin("PyYAML is missing: pip install 'jackfield-sdk[conformance]'") from error
    content: dict[str, Any] = yaml.safe_load(found[0].read_text(encoding="utf-8"))
    provides = content.get("provides") or {}
    if "jackfield.v1.Adapter" not in (provides.get("services") or ()):
        raise UnusablePlugin(f"{found[0]} provides no jackfield.v1.Adapter: this kit judges adapters")
    return Declared(
        folder=found[0].parent,
        name=str(content["name"]),
        version=str(content.get("version", "")),
        platform=str(provides.get("platform", "")),
        provides=provides,
        grants=tuple(str(grant) for grant in content.get("grants") or ()),
        config=content.get("config") or {},
        bot_config=content.get("bot_config") or {},
        command=_command(content.get("run") or {}, found[0]),
    )


def with_defaults(schema: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """A configuration as the kernel hands it over: defaults filled in."""
    properties = schema.get("properties", {})
    return {key: one["default"] for key, one in properties.items() if "default" in one} | given


def _command(run: dict[str, Any], manifest: Path) -> tuple[str, ...]:
    if "python" in run:
        return (sys.executable, "-m", str(run["python"]))
    if "exec" in run:
        line = run["exec"]
        words = [str(word) for word in line] if isinstance(line, list) else shlex.split(str(line))
        local = manifest.parent / words[0]
        return (str(local) if local.is_file() else words[0], *words[1:])
    raise UnusablePlugin(f"{manifest}: `run` has neither `python` nor `exec`, so the kit cannot start it")
