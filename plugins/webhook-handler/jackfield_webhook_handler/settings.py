"""What the rule says, with secrets filled in from the plugin's configuration."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from jackfield_sdk import InvalidArgument

_REFERENCE = re.compile(r"\$\{([A-Za-z0-9_]+)\}")


@dataclass(frozen=True, slots=True)
class Settings:
    """Names and meanings as in the manifest. Times in seconds. Never log `headers` and `secret`."""

    url: str
    method: str = "POST"
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    timeout: float = 30.0
    retry_count: int = 3
    retry_interval: float = 5.0
    response_actions: bool = False
    secret: str = field(default="", repr=False)
    allowed_actions: tuple[str, ...] = ()

    @classmethod
    def of(cls, config: Mapping[str, Any], rule_config: Mapping[str, Any]) -> Settings:
        """Raises InvalidArgument for a rule without a URL and for a secret that is not there."""
        known = {one.name for one in fields(cls)}
        values = {key: value for key, value in rule_config.items() if key in known and value is not None}
        if not values.get("url"):
            raise InvalidArgument("the rule names no url", metadata={"field": "rule_config.url"})
        secrets = _secrets(str(config.get("secrets") or ""))
        headers = values.get("headers") or {}
        values["headers"] = {name: _filled(str(text), secrets) for name, text in headers.items()}
        if name := values.get("secret"):
            values["secret"] = _filled(f"${{{name}}}", secrets)
        values["allowed_actions"] = tuple(values.get("allowed_actions") or ())
        values["retry_count"] = int(values.get("retry_count", 3))
        return cls(**values)


def _secrets(text: str) -> dict[str, str]:
    pairs = (part.strip().partition("=") for part in re.split(r"[,\n]", text) if part.strip())
    return {name.strip(): value.strip() for name, _, value in pairs}


def _filled(text: str, secrets: Mapping[str, str]) -> str:
    def value(match: re.Match[str]) -> str:
        if match[1] not in secrets:
            raise InvalidArgument(f"there is no {match[1]} in `secrets`", remedy="Add it as NAME=value.")
        return secrets[match[1]]

    return _REFERENCE.sub(value, text)
