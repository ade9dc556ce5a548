"""Refusals of Discord as typed errors.

401                        AuthExpired         the token was reset or is malformed
403                        PermissionDenied    a right or a role is missing; 20001, 50001, 50013 ...
404                        NotFound
400, 405                   InvalidArgument     50035 names the field
413, 40005                 ContentTooLarge
429                        RateLimited         with `retry_after`
5xx                        Unavailable for reads, OutcomeUnknown for what may have been done
anything else              PlatformError       `metadata["platform_code"]`
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jackfield_sdk import (
    AuthExpired,
    ContentTooLarge,
    InvalidArgument,
    JackfieldError,
    NotFound,
    OutcomeUnknown,
    PermissionDenied,
    PlatformError,
    RateLimited,
    Unavailable,
)

from jackfield_discord.convert.values import integer_of, table, tables, text_of

LONGEST_WORDS = 300
NEW_TOKEN = "Copy the token from the Bot page of the Discord developer portal into the bot's configuration."
INTENTS = (
    "Switch on the Message Content and Server Members intents on the Bot page of the Discord developer portal, "
    "or set `message_content: false` and `members: false` for this bot."
)
_CLASSES: Mapping[int, type[JackfieldError]] = {
    400: InvalidArgument,
    403: PermissionDenied,
    404: NotFound,
    405: InvalidArgument,
    413: ContentTooLarge,
}
REQUEST_TOO_LARGE = 40005
# Codes of the gateway after which connecting again cannot help.
FATAL: Mapping[int, str] = {
    4004: "the token was refused",
    4010: "the shard number is invalid",
    4011: "the bot is in too many servers for one connection",
    4012: "the version of the gateway is not served any more",
    4013: "the intents are invalid",
    4014: "intents are asked for that the application may not use",
}


def error_of(
    action: str, status: int, answer: Any, headers: Mapping[str, str], *, effect: bool
) -> JackfieldError:
    """The typed error of an answer other than 2xx."""
    refusal = table(answer)
    code = integer_of(refusal.get("code"))
    words = text_of(refusal.get("message")) or (answer if isinstance(answer, str) else "")
    where = ", ".join(_fields(table(refusal.get("errors"))))
    told = f": {words[:LONGEST_WORDS]!a}" if words else ""
    text = f"Discord refused {action} with {status}{told}" + (f" ({where[:LONGEST_WORDS]})" if where else "")
    metadata = {"action": action, "platform_code": str(code or status)}
    if status == 429:
        return RateLimited(_patience(refusal, headers), text, metadata=metadata)
    if status >= 500:
        return (OutcomeUnknown if effect else Unavailable)(text, metadata=metadata)
    if status == 401:
        return AuthExpired(text, remedy=NEW_TOKEN, metadata=metadata)
    if code == REQUEST_TOO_LARGE:
        return ContentTooLarge(text, metadata=metadata)
    return _CLASSES.get(status, PlatformError)(text, metadata=metadata)


def closed(code: int) -> JackfieldError:
    """Why the gateway let go of a bot for good."""
    text = f"Discord closed the gateway with {code}: {FATAL.get(code, 'no reason is known')}"
    metadata = {"platform_code": str(code)}
    if code == 4004:
        return AuthExpired(text, remedy=NEW_TOKEN, metadata=metadata)
    if code in (4013, 4014):
        return PermissionDenied(text, remedy=INTENTS, metadata=metadata)
    return PlatformError(text, metadata=metadata)


def _patience(refusal: Mapping[str, Any], headers: Mapping[str, str]) -> float:
    """Seconds to wait, at least a little: both places may be missing or nonsense."""
    for value in (refusal.get("retry_after"), headers.get("Retry-After")):
        try:
            seconds = float(value) if isinstance(value, str | int | float) else 0.0
        except ValueError:
            continue
        if 0 < seconds < 86_400:
            return seconds
    return 1.0


def _fields(errors: Mapping[str, Any], path: str = "") -> list[str]:
    """`embeds.0.title: Must be 256 or fewer in length`, at most a few."""
    found = [f"{path}: {text_of(one.get('message'))}" for one in tables(errors.get("_errors"))]
    for name, inner in errors.items():
        if name != "_errors" and len(found) < 5 and path.count(".") < 8:
            found += _fields(table(inner), f"{path}.{name}" if path else str(name))
    return found[:5]
