"""Where a configured value came from."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class OriginKind(StrEnum):
    """Sources in order of precedence, strongest first."""

    ENVIRONMENT = "environment"
    FILE = "file"
    ADMIN = "admin"
    DEFAULT = "default"


@dataclass(frozen=True)
class Origin:
    """`where` is the variable's name, the file's path, or empty."""

    kind: OriginKind
    where: str = ""

    @property
    def pinned(self) -> bool:
        """True when Admin may not change the value."""
        return self.kind in (OriginKind.ENVIRONMENT, OriginKind.FILE)

    def __str__(self) -> str:
        return f"{self.kind} {self.where}".rstrip()


BY_DEFAULT = Origin(OriginKind.DEFAULT)
BY_ADMIN = Origin(OriginKind.ADMIN)
