"""What a check works on and what it says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

Result = Literal["ok", "warn", "fail"]


@dataclass(frozen=True)
class Surroundings:
    """Where the kernel would run."""

    data: Path
    environ: Mapping[str, str]


@dataclass(frozen=True)
class Finding:
    """One answer: `ok`, `warn` (works, but), `fail` (will not work), what was found, and what to do."""

    name: str
    result: Result
    detail: str
    remedy: str = ""

    def as_json(self) -> dict[str, str]:
        """For `--json`."""
        return {key: str(value) for key, value in asdict(self).items()}
