"""The configuration, as it is read at each use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

EVERYONE = "*"
CODE, REFUSE, SILENT = "code", "refuse", "silent"


@dataclass(frozen=True, slots=True)
class BotSettings:
    """What the operator's configuration says about one bot; ids are the platform's own."""

    allow_all: bool
    allow: frozenset[str]
    admins: frozenset[str]
    open_groups: frozenset[str]
    require_mention: bool
    free_groups: frozenset[str]
    unknown: str

    @property
    def admits_somebody(self) -> bool:
        """Whether anything is said at all."""
        return bool(self.allow_all or self.allow or self.admins or self.open_groups)


def of_bot(config: Mapping[str, Any], bot: str) -> BotSettings:
    """The settings of a bot, by its own entry and by those for all."""
    own: Mapping[str, Any] = (config.get("bots") or {}).get(bot) or {}
    return BotSettings(
        allow_all=bool(own.get("allow_all") or config.get("allow_all")),
        allow=_ids(own.get("allow")),
        admins=_ids(own.get("admins")),
        open_groups=_ids(own.get("open_groups")),
        require_mention=bool(own.get("require_mention")),
        free_groups=_ids(own.get("free_groups")),
        unknown=str(own.get("unknown") or config.get("unknown") or CODE),
    )


def _ids(values: Any) -> frozenset[str]:
    return frozenset(str(value).strip() for value in values or ()) - {""}
