"""What ends a command early, and the exit code it ends with.

Failure            exit code 1: it was refused, or did not work
├── UsageFailure   exit code 2: the command line itself is wrong
└── NoKernel       exit code 3: no kernel answers on this data directory
"""

from __future__ import annotations

import sys

from jackfield.v1 import error_pb2

from ..errors import KernelError
from ..telemetry.safe_text import safe_text


class Failure(Exception):
    """A message and what to do about it, for people."""

    exit_code = 1

    def __init__(self, message: str, remedy: str = "", reason: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy
        self.reason = reason


class UsageFailure(Failure):
    """An argument cannot be understood."""

    exit_code = 2


class NoKernel(Failure):
    """Nobody to talk to."""

    exit_code = 3


def of_wire(error: error_pb2.Error) -> Failure:
    """The failure that an error of the contract means."""
    return Failure(error.message or error.reason, error.remedy, error.reason)


def of_kernel(error: KernelError) -> Failure:
    """The failure that an exception of the kernel means."""
    return Failure(error.message, error.remedy, error.reason)


def print_failure(failure: Failure) -> None:
    """Say on stderr what went wrong and what to do."""
    first, *more = safe_text(failure.message).splitlines() or [failure.reason]
    reason = f" [{failure.reason}]" if failure.reason else ""
    lines = [f"Error: {first}{reason}", *(f"       {line}" for line in more)]
    if failure.remedy and failure.remedy not in failure.message:
        lines.append(f"  Fix: {safe_text(failure.remedy)}")
    print("\n".join(lines), file=sys.stderr)
