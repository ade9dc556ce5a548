"""A pipeline as the operator describes it, section by section; names and meanings as in the manifest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from jackfield_sdk import InvalidArgument, NotFound

from jackfield_pipeline.patterns import any_of

SECTIONS = ("trigger", "access", "ignore", "filter", "rate", "responder", "long", "send", "errors")


@dataclass(frozen=True, slots=True)
class Trigger:
    """When a group is answered; any that holds is enough."""

    mention: bool = True
    prefixes: tuple[str, ...] = ()
    regex: tuple[str, ...] = ()
    random: float = 0.0
    pattern: Any = None


@dataclass(frozen=True, slots=True)
class Access:
    """Whom it answers: `person_<id>`, `group_<id>`, with `*` for every id or both kinds."""

    mode: str = "blacklist"
    entries: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Ignore:
    """What it passes over."""

    prefixes: tuple[str, ...] = ()
    regex: tuple[str, ...] = ()
    pattern: Any = None


@dataclass(frozen=True, slots=True)
class Filter:
    """What may not be said. `longest` is the length of the longest word."""

    scope: str = "both"
    words: tuple[str, ...] = ()
    regex: tuple[str, ...] = ()
    action: str = "mask"
    mask: str = "***"
    reply: str = ""
    pattern: Any = None

    @property
    def longest(self) -> int:
        """Characters that a growing text must hold back."""
        return max(map(len, self.words), default=0)


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `limit` messages in each window of so many seconds; 0: any number."""

    seconds: int = 60
    limit: int = 0
    strategy: str = "drop"
    per: str = "user"
    reply: str = ""


@dataclass(frozen=True, slots=True)
class Responder:
    """Who answers: an assistant of a plugin; without a plugin the next rule."""

    plugin: str = ""
    name: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    quote: bool = True


@dataclass(frozen=True, slots=True)
class Long:
    """What becomes of a text above so many characters."""

    above: int = 1000
    strategy: str = "none"


@dataclass(frozen=True, slots=True)
class Send:
    """How the answer stands in the chat. Seconds are drawn between the two."""

    mention_sender: bool = False
    quote_origin: bool = False
    delay_min: float = 0.0
    delay_max: float = 0.0
    stream: bool = True


@dataclass(frozen=True, slots=True)
class Errors:
    """What the user is told of a failure."""

    show: str = "hint"
    hint: str = ""


_CLASSES: dict[str, type[Any]] = {
    "trigger": Trigger,
    "access": Access,
    "ignore": Ignore,
    "filter": Filter,
    "rate": Rate,
    "responder": Responder,
    "long": Long,
    "send": Send,
    "errors": Errors,
}


@dataclass(frozen=True, slots=True)
class Settings:
    """All sections. `trigger` is None where every message of a group is answered."""

    name: str = ""
    language: str = "en"
    trigger: Trigger | None = None
    access: Access = Access()
    ignore: Ignore = Ignore()
    filter: Filter = Filter()
    rate: Rate = Rate()
    responder: Responder = Responder()
    long: Long = Long()
    send: Send = Send()
    errors: Errors = Errors()

    @classmethod
    def of(cls, config: Mapping[str, Any], rule_config: Mapping[str, Any]) -> Settings:
        """The named pipeline with the rule's sections in place of its own.

        Raises NotFound for an unknown name, InvalidArgument that names the key.
        """
        name = str(rule_config.get("pipeline") or "")
        named: Mapping[str, Any] = {}
        if name:
            entries = {str(entry["name"]): entry for entry in config.get("pipelines") or ()}
            if name not in entries:
                raise NotFound(
                    f"no pipeline is named {name!r}",
                    remedy=f"Add it to plugins.pipeline.config.pipelines, or use one of: {', '.join(entries) or 'none yet'}.",
                    metadata={"field": "pipeline"},
                )
            named = entries[name]
        merged = {**named, **rule_config}
        sections = {key: _section(key, merged[key]) for key in SECTIONS if merged.get(key) is not None}
        settings = cls(name=name, language=str(config.get("language") or "en"), **sections)
        if settings.send.delay_max < settings.send.delay_min:
            raise InvalidArgument("send.delay_max is below delay_min", metadata={"field": "send.delay_max"})
        return settings


def _section(key: str, value: Mapping[str, Any]) -> Any:
    plain = {name: tuple(part) if isinstance(part, list) else part for name, part in value.items()}
    if key in ("trigger", "ignore", "filter"):
        words = plain.get("words", ()) if key == "filter" else ()
        plain["pattern"] = any_of(words, plain.get("regex", ()), key)
    section = _CLASSES[key](**plain)
    if isinstance(section, Filter) and section.pattern is not None and section.pattern.match(""):
        raise InvalidArgument(
            "filter: an expression finds the empty text, so everything", metadata={"field": "filter.regex"}
        )
    return section
