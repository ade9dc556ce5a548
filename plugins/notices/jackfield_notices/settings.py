"""The plugin's configuration as it is used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

OCCASIONS = ("plugin_parked", "bot_failed", "dead_letter", "journal_stuck", "lane_full", "bot_pushed_back")
_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0}


@dataclass(frozen=True)
class Settings:
    """`every` in seconds. Without `target` nothing is sent."""

    target: str = ""
    occasions: frozenset[str] = frozenset(OCCASIONS)
    every: float = 600.0
    language: str = "en"


def read(config: Mapping[str, Any]) -> Settings:
    """Read what the kernel checked by the manifest's schema."""
    every = str(config.get("every", "10m"))
    return Settings(
        target=str(config.get("target", "")),
        occasions=frozenset(config.get("on", OCCASIONS)),
        every=int(every[:-1]) * _SECONDS[every[-1]],
        language=str(config.get("language", "en")),
    )
