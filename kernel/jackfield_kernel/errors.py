"""The root of the kernel's error tree.

    KernelError            reason, gRPC code, retryable, remedy
    └── JournalError       bus/errors.py: the journal refused or failed

Every room adds its branch in its own `errors.py`. Mistakes of a programmer (a wrong type, a closed object)
are Python's own exceptions and never stand in this tree.
"""

from __future__ import annotations

import grpc


class KernelError(Exception):
    """Something that the kernel answers to a plugin, to the operator or to itself.

    Attributes:
        reason: UPPER_SNAKE word, stable, part of the contract.
        code: the gRPC status under which it crosses the wire.
        retryable: whether the same request may succeed later without anybody changing anything.
        remedy: one sentence for the person who reads it: what to do now.
    """

    reason: str = "INTERNAL"
    code: grpc.StatusCode = grpc.StatusCode.INTERNAL
    retryable: bool = False
    remedy: str = "Report this with the log of the kernel."

    def __init__(self, message: str, *, remedy: str | None = None) -> None:
        super().__init__(message)
        if remedy is not None:
            self.remedy = remedy
