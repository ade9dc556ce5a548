"""What the operator set for each server."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from jackfield_sdk import InvalidArgument

_REFERENCE = re.compile(r"\$\{([A-Za-z0-9_]+)\}")


@dataclass(frozen=True, slots=True)
class Server:
    """One server; names and meanings as in the manifest. Times in seconds. Secrets are filled in: never log `env` and `headers`."""

    name: str
    command: str = ""
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    directory: str = ""
    url: str = ""
    transport: str = "http"
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    allow: tuple[str, ...] = ("*",)
    deny: tuple[str, ...] = ()
    danger: Mapping[str, str] = field(default_factory=dict)
    trust_hints: bool = True
    connect_seconds: float = 30.0
    call_seconds: float = 120.0


def servers_of(config: Mapping[str, Any]) -> dict[str, Server]:
    """The servers by name. Raises InvalidArgument, which names the server and never a secret."""
    secrets = _secrets(str(config.get("secrets") or ""))
    found: dict[str, Server] = {}
    for entry in config.get("servers") or ():
        values: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in entry.items()
        }
        name = values["name"]
        if name in found:
            raise InvalidArgument(f"there are two servers {name!r}", metadata={"field": "servers"})
        if bool(values.get("command")) == bool(values.get("url")):
            raise InvalidArgument(
                f"server {name!r}: set either `command` or `url`", metadata={"field": "servers"}
            )
        for key in ("env", "headers"):
            values[key] = {
                one: _filled(str(text), secrets, name) for one, text in (values.get(key) or {}).items()
            }
        found[name] = Server(**values)
    return found


def _secrets(text: str) -> dict[str, str]:
    pairs = (part.strip().partition("=") for part in re.split(r"[,\n]", text) if part.strip())
    return {name.strip(): value.strip() for name, _, value in pairs}


def _filled(text: str, secrets: Mapping[str, str], server: str) -> str:
    def value(match: re.Match[str]) -> str:
        if match[1] not in secrets:
            raise InvalidArgument(
                f"server {server!r}: there is no {match[1]} in `secrets`",
                remedy="Add it as NAME=value.",
                metadata={"field": "secrets"},
            )
        return secrets[match[1]]

    return _REFERENCE.sub(value, text)
