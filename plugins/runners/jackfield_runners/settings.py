"""One assistant as the operator describes it: by name in the plugin's configuration, or in a rule."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any
from urllib.parse import urlsplit

from jackfield_sdk import InvalidArgument, NotFound

from jackfield_runners import pointer, template

KINDS = ("dify", "n8n", "http")


@dataclass(frozen=True, slots=True)
class Settings:
    """Names and meanings as in the manifest. Times in seconds; `key` is the secret itself, not its name."""

    name: str = ""
    kind: str = ""
    url: str = ""
    key: str = ""
    app: str = "chat"
    inputs: Mapping[str, Any] = field(default_factory=dict)
    files: bool = True
    auth: str = ""
    auth_user: str = ""
    auth_header: str = ""
    jwt_algorithm: str = "HS256"
    output_key: str = "response"
    method: str = "POST"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] = field(default_factory=dict)
    answer: str = "json"
    text: str = ""
    delta: str = ""
    kind_at: str = ""
    kinds: tuple[str, ...] = ()
    end: str = ""
    end_at: str = ""
    error: str = ""
    conversation: str = ""
    first_seconds: float = 60.0
    idle_seconds: float = 60.0
    max_seconds: float = 500.0
    expire_seconds: float = 0.0
    per_user: bool = False
    remove_think: bool = False

    @classmethod
    def of(cls, config: Mapping[str, Any], name: str, own: Mapping[str, Any]) -> Settings:
        """The assistant of a name with a rule's own settings on top, or described by these alone.

        Raises NotFound for an unknown name, InvalidArgument that names the setting.
        """
        named: dict[str, Any] = {}
        if name:
            entries = {str(entry["name"]): entry for entry in config.get("runners") or ()}
            if name not in entries:
                raise NotFound(
                    f"no runner is named {name!r}",
                    remedy=f"Add it to plugins.runners.config.runners, or use one of: {', '.join(entries) or 'none yet'}.",
                    metadata={"field": "runner"},
                )
            named = dict(entries[name])
        known = {one.name for one in fields(cls)}
        merged = {key: value for key, value in {**named, **own}.items() if key in known and value is not None}
        if "url" in own and named and "key" not in own and not same_host(str(own["url"]), str(named["url"])):
            # A key is shown to no other host than its own.
            merged.pop("key", None)
        if merged.get("key"):
            merged["key"] = key_of(config, str(merged["key"]))
        if "kinds" in merged:
            merged["kinds"] = tuple(merged["kinds"])
        settings = cls(**{**merged, "name": name or f"rule-{_digest(merged)}"})
        settings.check()
        return settings

    @property
    def gives_conversations(self) -> bool:
        """Whether the other side names its conversations; where it does not, this side does."""
        return self.kind == "dify" or bool(self.conversation)

    def check(self) -> None:
        """Raises InvalidArgument for what can never work."""
        if self.kind not in KINDS:
            raise _wrong("kind", "says whether it is dify, n8n or http")
        place = urlsplit(self.url)
        if place.scheme not in ("http", "https") or not place.hostname:
            raise _wrong("url", "is an address that begins with http:// or https://")
        if self.kind == "dify" and not self.key:
            raise _wrong("key", "names the line of keys that holds the application's key")
        if self.auth and not self.key:
            raise _wrong("key", f"names the line of keys that holds what {self.auth} needs")
        if self.auth == "header" and not self.auth_header:
            raise _wrong("auth_header", "names the header that carries the key")
        if self.kind == "http":
            self._check_http()
        for name in ("inputs", "body"):
            _try(name, template.check, getattr(self, name))
        _try("headers", template.check, dict(self.headers), template.NAMES | {"key"})

    def _check_http(self) -> None:
        for name in ("text", "delta", "kind_at", "end_at", "error", "conversation"):
            _try(name, pointer.parts_of, getattr(self, name))
        if not self.text and not self.delta:
            raise _wrong("text", "or delta says where the answer's text stands, such as /data/text")
        if self.answer == "json" and self.delta:
            raise _wrong("delta", "belongs to an answer that streams (sse or lines); use text")


def key_of(config: Mapping[str, Any], name: str) -> str:
    """The secret of a name, from the lines `<name>=<value>` of `keys`. Raises InvalidArgument."""
    for line in str(config.get("keys") or "").splitlines():
        found, equals, value = line.strip().partition("=")
        if equals and found.strip() == name:
            return value.strip()
    raise InvalidArgument(
        f"keys has no line {name}=...",
        remedy="Add it: plugins.runners.config.keys: {secret: runner-keys}, and jackfield secret set runner-keys.",
        metadata={"field": "key"},
    )


def same_host(one: str, other: str) -> bool:
    """Whether two addresses lead to the same server."""
    return urlsplit(one)[:2] == urlsplit(other)[:2]


def _try(name: str, check: Any, *values: Any) -> None:
    try:
        check(*values)
    except ValueError as error:
        raise InvalidArgument(f"{name}: {error}", metadata={"field": name}) from None


def _wrong(name: str, what: str) -> InvalidArgument:
    return InvalidArgument(f"{name} {what}", remedy=f"Set {name}.", metadata={"field": name})


def _digest(merged: Mapping[str, Any]) -> str:
    """A name for what has none: the same as long as it is the same application."""
    parts = "\n".join(str(merged.get(name) or "") for name in ("kind", "url", "key", "app"))
    return hashlib.sha256(parts.encode()).hexdigest()[:12]
