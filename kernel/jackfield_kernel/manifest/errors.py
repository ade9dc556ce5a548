"""What is raised when a manifest cannot be used."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import grpc

from ..errors import KernelError
from .problem import Problem


class ManifestInvalid(KernelError):
    """A plugin's manifest is missing, unreadable or wrong; `problems` lists everything found, never empty."""

    reason = "MANIFEST_INVALID"
    code = grpc.StatusCode.INVALID_ARGUMENT
    retryable = False

    def __init__(self, path: Path, problems: Sequence[Problem]) -> None:
        self.path = path
        self.problems = tuple(problems)
        super().__init__(
            "\n".join(f"{p.file}: {p.key + ': ' if p.key else ''}expected {p.expected}." for p in problems),
            remedy=" ".join(dict.fromkeys(p.remedy for p in problems)),
            file=str(path),
            key=problems[0].key,
        )

    def __str__(self) -> str:
        return "\n".join(str(problem) for problem in self.problems)
