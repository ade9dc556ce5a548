"""Lark's codes as typed errors. A refusal is HTTP 200 or 400 with `code`; 429 and 5xx are real."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jackfield_sdk import (
    AuthExpired,
    ContentTooLarge,
    InvalidArgument,
    JackfieldError,
    NotFound,
    PermissionDenied,
    PlatformError,
    RateLimited,
    Unavailable,
    WindowClosed,
)

# The tenant token is too old or was revoked: a new one may help.
STALE_TOKEN = frozenset((99991661, 99991663, 99991664, 99991668, 99991671, 99991677))
_RATE = frozenset((99991400, 230020, 11232, 11233, 11247))
_CODES: Mapping[type[JackfieldError], tuple[int, ...]] = {
    AuthExpired: (10003, 10012, 10014, 10015, 99991543, 99991662, 99991665, 514, *STALE_TOKEN),
    PermissionDenied: (
        99991672, 99991679, 230002, 230006, 230013, 230018, 230027, 230035, 230053, 231002, 232009, 232011, 232014, 232025, 232033,
        234008, 40004, 41050,
    ),
    NotFound: (230011, 230050, 230110, 231003, 231016, 232006, 232010, 234003, 234011, 41012, 40013, 1254040),
    ContentTooLarge: (230025, 234006, 230028),
    WindowClosed: (230072, 230075, 230026, 300272),
    InvalidArgument: (230001, 230055, 230099, 231001, 232001, 234001, 99992402, 9499, 10002, 200621, 200830, 230054),
    Unavailable: (1, 1000040343, 99991402, 230049, 234010, 231004),
}  # fmt: skip
_CLASSES = {code: kind for kind, codes in _CODES.items() for code in codes}
_REMEDIES: Mapping[type[JackfieldError], str] = {
    AuthExpired: "Set app_id and app_secret anew: see Credentials in the developer console.",
    PermissionDenied: "Add the scope or the bot ability in the developer console, publish a version, or add the bot to the chat.",
}


def error_of(api: str, status: int, answer: Mapping[str, Any], headers: Mapping[str, str]) -> JackfieldError:
    """The error of a failed call. Of the answer only Lark's code is shown: its words may quote what was sent."""
    value = answer.get("code")
    code = value if isinstance(value, int) else 0
    metadata = {"api": api, "platform_code": str(code or status)}
    if status == 429 or code in _RATE:
        return RateLimited(seconds_of(headers), f"Lark limits the rate of {api}", metadata=metadata)
    if status >= 500:
        return Unavailable(f"Lark answered {api} with {status}", metadata=metadata)
    kind = _CLASSES.get(code) or {401: AuthExpired, 403: PermissionDenied, 404: NotFound}.get(
        status, PlatformError
    )
    return kind(
        f"Lark refused {api} with code {code or status}", remedy=_REMEDIES.get(kind, ""), metadata=metadata
    )


def seconds_of(headers: Mapping[str, str]) -> float:
    """Until the limit is reset, 1 to 3,600 s; 1 s where Lark does not tell."""
    named = {name.lower(): value for name, value in headers.items()}
    text = named.get("x-ogw-ratelimit-reset") or named.get("retry-after") or ""
    return min(max(float(text), 1.0), 3600.0) if text.isascii() and text.isdigit() else 1.0
