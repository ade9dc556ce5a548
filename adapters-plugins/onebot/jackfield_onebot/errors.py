"""Answers of endpoints as typed errors.

OneBot v11 leaves return codes to the endpoints; these are the ones on which they agree:

    400, 1400, 100        InvalidArgument    a parameter is missing or wrong
    401, 1401, 104        AuthExpired        the account's login is gone
    403, 1403             PermissionDenied   the account may not
    404, 1404, 10002      NotSupported       the endpoint has no such action
    429, 1429             RateLimited
    everything else       PlatformError      `metadata["platform_code"]`
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jackfield_sdk import (
    AuthExpired,
    InvalidArgument,
    JackfieldError,
    NotSupported,
    PermissionDenied,
    PlatformError,
    RateLimited,
)

from jackfield_onebot.convert.values import integer_of, text_of

_CLASSES: Mapping[int, type[JackfieldError]] = {
    100: InvalidArgument,
    400: InvalidArgument,
    1400: InvalidArgument,
    104: AuthExpired,
    401: AuthExpired,
    1401: AuthExpired,
    403: PermissionDenied,
    1403: PermissionDenied,
    404: NotSupported,
    1404: NotSupported,
    10002: NotSupported,
}
_SLOW_DOWN = (429, 1429)
LONGEST_WORDS = 300


def succeeded(answer: Mapping[str, Any]) -> bool:
    """True for done and for accepted (`async`)."""
    return answer.get("status") in ("ok", "async") or integer_of(answer.get("retcode")) in (0, 1)


def error_of(action: str, answer: Mapping[str, Any]) -> JackfieldError:
    """The error of a failed answer."""
    code = integer_of(answer.get("retcode"))
    words = text_of(answer.get("wording")) or text_of(answer.get("message")) or text_of(answer.get("msg"))
    # Not bare: the words of a stranger's program stand in logs.
    told = f": {words[:LONGEST_WORDS]!a}" if words else ""
    text = f"the OneBot endpoint refused {action} with code {code}{told}"
    metadata = {"action": action, "platform_code": str(code)}
    if code in _SLOW_DOWN:
        return RateLimited(1.0, text, metadata=metadata)
    error_class = _CLASSES.get(code, PlatformError) if code is not None else PlatformError
    if error_class is NotSupported:
        metadata["api"] = action
    return error_class(text, metadata=metadata)
