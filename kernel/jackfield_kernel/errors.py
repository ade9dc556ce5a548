"""The root of the kernel's error tree, and the errors that cross the wire.

    KernelError                reason, gRPC code, retryable, remedy
    ├── Refused                any reason of the contract, as an exception
    ├── JournalError           bus/errors.py: the journal refused or failed
    ├── SupervisorError        supervisor/errors.py: a plugin cannot be found, started or kept
    ├── ManifestInvalid        manifest: a manifest cannot be read
    └── ConfigError            config: a value does not fit or may not change

Every room adds its branch in its own module. Mistakes of a programmer (a wrong type, a closed object) are Python's own exceptions
and never stand in this tree.
"""

from __future__ import annotations

import grpc
from jackfield.v1 import error_pb2

_S = grpc.StatusCode

REASONS: dict[str, tuple[grpc.StatusCode, bool]] = {
    "NOT_SUPPORTED": (_S.UNIMPLEMENTED, False),
    "PERMISSION_DENIED": (_S.PERMISSION_DENIED, False),
    "NOT_FOUND": (_S.NOT_FOUND, False),
    "INVALID_ARGUMENT": (_S.INVALID_ARGUMENT, False),
    "RATE_LIMITED": (_S.RESOURCE_EXHAUSTED, True),
    "AUTH_EXPIRED": (_S.UNAUTHENTICATED, False),
    "WINDOW_CLOSED": (_S.FAILED_PRECONDITION, False),
    "CONTENT_TOO_LARGE": (_S.OUT_OF_RANGE, False),
    "UNAVAILABLE": (_S.UNAVAILABLE, True),
    "PLATFORM_ERROR": (_S.UNKNOWN, False),
    "GRANT_MISSING": (_S.PERMISSION_DENIED, False),
    "UNKNOWN_BOT": (_S.NOT_FOUND, False),
    "NO_PROVIDER": (_S.UNIMPLEMENTED, False),
    "DEADLINE_EXCEEDED": (_S.DEADLINE_EXCEEDED, True),
    "CANCELLED": (_S.CANCELLED, False),
    "OUTCOME_UNKNOWN": (_S.ABORTED, False),
    "AMBIGUOUS_CALL": (_S.FAILED_PRECONDITION, False),
    "OVERLOADED": (_S.RESOURCE_EXHAUSTED, True),
    "LEASE_LOST": (_S.ABORTED, False),
    "CONFLICT": (_S.ABORTED, False),
    "EMIT_LOOP": (_S.FAILED_PRECONDITION, False),
    "LANE_FULL": (_S.RESOURCE_EXHAUSTED, False),
    "POISON": (_S.ABORTED, False),
    "ATTEMPTS_EXHAUSTED": (_S.ABORTED, False),
    "TOO_OLD": (_S.DEADLINE_EXCEEDED, False),
    "HANDLER_FAILED": (_S.UNKNOWN, False),
    "RESTORED": (_S.ABORTED, False),
    "LANE_BUSY": (_S.ABORTED, False),
    "UNSUPPORTED_FRAME": (_S.UNIMPLEMENTED, False),
    "FRAME_TOO_LARGE": (_S.OUT_OF_RANGE, False),
    "PROTOCOL_VIOLATION": (_S.INVALID_ARGUMENT, False),
    "UNAUTHENTICATED": (_S.UNAUTHENTICATED, False),
    "CONTRACT_MISMATCH": (_S.FAILED_PRECONDITION, False),
    "MANIFEST_MISMATCH": (_S.FAILED_PRECONDITION, False),
    "SESSION_REPLACED": (_S.ABORTED, False),
    "LOST_TAIL": (_S.DATA_LOSS, False),
    "MANIFEST_INVALID": (_S.INVALID_ARGUMENT, False),
    "CONFIG_INVALID": (_S.INVALID_ARGUMENT, False),
    "CONFIG_PINNED": (_S.FAILED_PRECONDITION, False),
    "ISOLATION_UNAVAILABLE": (_S.FAILED_PRECONDITION, False),
    "NEEDS_APPROVAL": (_S.FAILED_PRECONDITION, False),
    "JOURNAL_LOCKED": (_S.FAILED_PRECONDITION, False),
    "JOURNAL_TOO_NEW": (_S.FAILED_PRECONDITION, False),
    "JOURNAL_FAILED": (_S.UNAVAILABLE, True),
    "PLUGIN_EXITED": (_S.UNAVAILABLE, True),
    "NEVER_REGISTERED": (_S.DEADLINE_EXCEEDED, True),
    "HEARTBEAT_LOST": (_S.UNAVAILABLE, True),
    "FENCED": (_S.ABORTED, False),
    "INTERNAL": (_S.INTERNAL, False),
    "QUOTA_EXCEEDED": (_S.RESOURCE_EXHAUSTED, False),
    "WRONG_KEY": (_S.FAILED_PRECONDITION, False),
    "CREDENTIAL_IN_USE": (_S.FAILED_PRECONDITION, True),
    "RESTART_LOOP": (_S.UNAVAILABLE, True),
    "CLOCK_BEHIND": (_S.FAILED_PRECONDITION, False),
}
"""Every reason of the contract: its gRPC code, and whether the same request may succeed later."""


class KernelError(Exception):
    """Something that the kernel answers to a plugin, to the operator or to itself.

    Attributes:
        reason: UPPER_SNAKE word, stable, part of the contract.
        code: the gRPC status under which it crosses the wire.
        retryable: whether the same request may succeed later without anybody changing anything.
        remedy: one sentence for the person who reads it: what to do now.
        message: one sentence that names the cause.
        metadata: details for programs.
    """

    reason: str = "INTERNAL"
    code: grpc.StatusCode = grpc.StatusCode.INTERNAL
    retryable: bool = False
    remedy: str = "Report this with the log of the kernel."

    def __init__(self, message: str, *, remedy: str | None = None, **metadata: str) -> None:
        super().__init__(message)
        self.message = message
        self.metadata = metadata
        if remedy is not None:
            self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}".rstrip()


class Refused(KernelError):
    """A request was refused with one of `REASONS`."""

    def __init__(self, reason: str, message: str, *, remedy: str = "", **metadata: str) -> None:
        super().__init__(message, remedy=remedy, **metadata)
        self.reason = reason
        self.code, self.retryable = REASONS[reason]


def problem(reason: str, message: str, *, remedy: str = "", **metadata: str) -> error_pb2.Error:
    """An error as it crosses the wire; `reason` is a key of `REASONS`."""
    code, retryable = REASONS[reason]
    number: int = code.value[0]
    return error_pb2.Error(
        reason=reason, code=number, message=message, remedy=remedy, retryable=retryable, metadata=metadata
    )


def to_wire(error: KernelError) -> error_pb2.Error:
    """An exception of the kernel as it crosses the wire."""
    number: int = error.code.value[0]
    return error_pb2.Error(
        reason=error.reason,
        code=number,
        message=error.message,
        remedy=error.remedy,
        retryable=error.retryable,
        metadata=error.metadata,
    )
