"""Errors of configuration."""

from __future__ import annotations

from collections.abc import Sequence

import grpc

from ..errors import KernelError
from ..manifest import Problem
from .origin import Origin


class ConfigInvalid(KernelError):
    """Configuration cannot be used; `problems` lists everything found, never empty."""

    reason = "CONFIG_INVALID"
    code = grpc.StatusCode.INVALID_ARGUMENT
    retryable = False

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        first = problems[0]
        super().__init__(
            "\n".join(str(problem) for problem in problems),
            remedy=first.remedy,
            file=first.file,
            key=first.key,
        )

    def __str__(self) -> str:
        return self.message


class ConfigPinned(KernelError):
    """A key set by the environment or the file cannot be changed through Admin."""

    reason = "CONFIG_PINNED"
    code = grpc.StatusCode.FAILED_PRECONDITION
    retryable = False

    def __init__(self, key: str, origin: Origin) -> None:
        self.origin = origin
        super().__init__(
            f"{key} is set by {origin}.",
            remedy=f"Change it there, or remove it from {origin.where} to change it here.",
            key=key,
            source=origin.where,
        )
