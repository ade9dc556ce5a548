"""What authors catch and raise.

    JackfieldError                    reason, code, retryable, retry_after, remedy, metadata
    ├── NotSupported                  the platform or plugin has no such thing
    ├── PermissionDenied              the bot lacks the right on its platform
    │   └── GrantMissing              the operator has not allowed it; `metadata["grant"]` names what would
    ├── NotFound                      unknown id
    │   ├── UnknownBot
    │   └── NoProvider
    ├── InvalidArgument               the request contradicts its contract
    │   ├── ContentTooLarge           and cannot be split
    │   │   └── FrameTooLarge         above 512 KiB; use a blob
    │   └── AmbiguousCall             two unnamed calls of one path at once; give them a `key`
    ├── AuthExpired                   the credential was refused
    ├── WindowClosed                  the platform allows no reply any more
    ├── RateLimited                   retryable, with `retry_after`
    ├── Unavailable                   retryable: not connected, not ready, shutting down
    │   └── Overloaded                a bound of the kernel
    ├── DeadlineExceeded              retryable: the outcome is unknown to the caller
    ├── Cancelled
    ├── OutcomeUnknown                the provider died in the middle; nothing was sent again
    ├── PlatformError                 any other refusal, `metadata["platform_code"]`
    ├── Conflict                      a compare-and-set failed
    ├── LeaseLost                     the delivery is not ours any more
    ├── Unauthenticated               secret or resume token refused
    └── ContractMismatch              kernel and plugin share no contract version
    Retry                             raised by a handler: offer the event again, no failure meant

Callers branch on the class or on `reason`; people read the message and `remedy`.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import ClassVar

from jackfield.v1 import error_pb2

from jackfield_sdk import wellknown


class JackfieldError(Exception):
    """An error that crosses the wire typed. Subclasses give `reason`, gRPC `code` and whether it may pass
    by itself.

    `retry_after` is in seconds, None for the caller's own back-off. Never put a secret into message or
    metadata.
    """

    reason: str = "INTERNAL"
    code: int = 2
    retryable: bool = False
    domain: str = ""
    metadata: Mapping[str, str]

    def __init__(
        self,
        message: str = "",
        *,
        remedy: str = "",
        reason: str = "",
        code: int = 0,
        retryable: bool | None = None,
        retry_after: float | None = None,
        metadata: Mapping[str, str] | None = None,
        domain: str = "",
    ) -> None:
        super().__init__(message or (type(self).__doc__ or type(self).__name__).split("\n")[0])
        self.remedy = remedy
        self.reason = reason or type(self).reason
        self.code = code or type(self).code
        self.retryable = type(self).retryable if retryable is None else retryable
        self.retry_after = retry_after
        self.metadata = dict(metadata or {})
        self.domain = domain

    @property
    def message(self) -> str:
        """One sentence that names the cause."""
        return str(self.args[0])

    def __str__(self) -> str:
        tail = f" {self.remedy}" if self.remedy else ""
        return f"{self.reason}: {self.message}{tail}"


class NotSupported(JackfieldError):
    """The platform or plugin has no such method or segment."""

    reason, code = "NOT_SUPPORTED", 12


class PermissionDenied(JackfieldError):
    """The bot lacks the right on its platform."""

    reason, code = "PERMISSION_DENIED", 7


class GrantMissing(PermissionDenied):
    """The operator has not granted this."""

    reason = "GRANT_MISSING"


class NotFound(JackfieldError):
    """There is no such thing."""

    reason, code = "NOT_FOUND", 5


class UnknownBot(NotFound):
    """No bot of this name exists or is open here."""

    reason = "UNKNOWN_BOT"


class NoProvider(NotFound):
    """No installed plugin provides the service, or several do and the call names none."""

    reason, code = "NO_PROVIDER", 12


class InvalidArgument(JackfieldError):
    """The request contradicts its contract."""

    reason, code = "INVALID_ARGUMENT", 3


class ContentTooLarge(InvalidArgument):
    """Text or media above the limit that cannot be split."""

    reason = "CONTENT_TOO_LARGE"


class FrameTooLarge(ContentTooLarge):
    """One frame is above 512 KiB; hand large values over as blobs."""

    reason = "FRAME_TOO_LARGE"


class AmbiguousCall(InvalidArgument):
    """Two unnamed calls of one path are in flight; give them a key."""

    reason = "AMBIGUOUS_CALL"


class AuthExpired(JackfieldError):
    """The credential was refused."""

    reason, code = "AUTH_EXPIRED", 16


class WindowClosed(JackfieldError):
    """The time or the number of replies that the platform allows is used up."""

    reason, code = "WINDOW_CLOSED", 9


class RateLimited(JackfieldError):
    """The platform asks to slow down; give `retry_after` in seconds."""

    reason, code, retryable = "RATE_LIMITED", 8, True

    def __init__(self, retry_after: float = 1.0, message: str = "", **details: object) -> None:
        details.setdefault("retry_after", retry_after)
        super().__init__(message, **details)  # type: ignore[arg-type]


class Unavailable(JackfieldError):
    """The other side is not connected, not ready or shutting down."""

    reason, code, retryable = "UNAVAILABLE", 14, True


class Overloaded(Unavailable):
    """A bound of the kernel is reached."""

    reason, code = "OVERLOADED", 8


class DeadlineExceeded(JackfieldError):
    """The deadline passed before the outcome was known."""

    reason, code, retryable = "DEADLINE_EXCEEDED", 4, True


class Cancelled(JackfieldError):
    """The call or delivery was cancelled."""

    reason, code = "CANCELLED", 1


class OutcomeUnknown(JackfieldError):
    """The provider died before it answered; nothing was sent again."""

    reason, code = "OUTCOME_UNKNOWN", 2


class PlatformError(JackfieldError):
    """The platform refused; put its code into `metadata["platform_code"]`."""

    reason, code = "PLATFORM_ERROR", 9


class Conflict(JackfieldError):
    """A compare-and-set failed, or somebody else holds the lease; nothing was written."""

    reason, code = "CONFLICT", 10


class LeaseLost(JackfieldError):
    """The delivery is not leased to this process any more."""

    reason, code = "LEASE_LOST", 10


class Unauthenticated(JackfieldError):
    """The secret or resume token does not match this plugin."""

    reason, code = "UNAUTHENTICATED", 16


class ContractMismatch(JackfieldError):
    """Kernel and plugin share no contract version."""

    reason, code = "CONTRACT_MISMATCH", 9


class Retry(Exception):
    """Raised by a handler to see the event again. `after` in seconds or as timedelta; None: the kernel's
    back-off."""

    default_reason: ClassVar[str] = "the handler asked to see the event again"

    def __init__(self, after: float | timedelta | None = None, reason: str = "") -> None:
        super().__init__(reason or self.default_reason)
        self.after = after.total_seconds() if isinstance(after, timedelta) else after


def error_to_proto(error: JackfieldError) -> error_pb2.Error:
    """The error as it crosses the wire."""
    proto = error_pb2.Error(
        reason=error.reason,
        domain=error.domain,
        code=error.code,
        message=error.message,
        remedy=error.remedy,
        retryable=error.retryable,
        metadata=error.metadata,
    )
    if error.retryable and error.retry_after is not None:
        proto.retry_after.CopyFrom(wellknown.seconds_to_proto(error.retry_after))
    return proto


def error_to_plain(proto: error_pb2.Error) -> JackfieldError:
    """The error to raise: the class of its reason, or JackfieldError for a reason without one."""
    known = proto.domain in ("", "jackfield")
    error_class = _classes().get(proto.reason, JackfieldError) if known else JackfieldError
    error = error_class(
        message=proto.message,
        remedy=proto.remedy,
        reason=proto.reason,
        code=proto.code or 2,
        retryable=proto.retryable,
        metadata=dict(proto.metadata),
        domain=proto.domain,
    )
    after = wellknown.duration_to_plain(proto.retry_after) if proto.HasField("retry_after") else None
    error.retry_after = after.total_seconds() if after is not None else None
    return error


@functools.cache
def _classes() -> Mapping[str, type[JackfieldError]]:
    return {error_class.reason: error_class for error_class in _tree(JackfieldError)}


def _tree(root: type[JackfieldError]) -> Iterator[type[JackfieldError]]:
    for child in root.__subclasses__():
        if child.__module__ == __name__:
            yield child
        yield from _tree(child)
