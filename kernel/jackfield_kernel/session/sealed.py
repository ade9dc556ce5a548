"""Secrets inside configuration that was given to Admin: kept in the secret store, and referred to where they stood."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ..manifest import Manifest, marks_of

PREFIX = "bots/"


def sealed_name(bot: str, key: str) -> str:
    """Name of the secret behind one key of a bot. The slash keeps it apart from names that operators choose."""
    return f"{PREFIX}{bot}/{key}"


def seal(bot: str, manifest: Manifest, config: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """The configuration with references in place of secrets, and those secrets by name."""
    kept, secrets = dict(config), {}
    for key, mark in marks_of(manifest.bot_config).items():
        value = config.get(key)
        if not mark.secret or value is None or (isinstance(value, Mapping) and value.keys() == {"secret"}):
            continue
        name = sealed_name(bot, key)
        secrets[name] = value if isinstance(value, str) else json.dumps(value)
        kept[key] = {"secret": name}
    return kept, secrets
