"""Refusals of the Bot API as typed errors.

401, 404 without words   AuthExpired         the token was revoked or is malformed
400                      InvalidArgument     or what `_WORDS` finds in the description
403                      PermissionDenied    kicked, blocked, no right
409                      Unavailable         another process polls, or a webhook is set
413                      ContentTooLarge
429                      RateLimited         with `retry_after`
5xx                      Unavailable
anything else            PlatformError       `metadata["platform_code"]`
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import httpx
from jackfield_sdk import (
    AuthExpired,
    ContentTooLarge,
    InvalidArgument,
    JackfieldError,
    NotFound,
    NotSupported,
    OutcomeUnknown,
    PermissionDenied,
    PlatformError,
    RateLimited,
    Unavailable,
)
from telegram.error import TelegramError

LONGEST_WORDS = 300
NEW_TOKEN = "Ask @BotFather for the token (/token) and put it into the bot's configuration."
ONE_POLLER = "Stop the other program that uses this token, or give it a bot of its own."
# Tokens, also inside addresses: `123456:ABC-DEF...`.
_TOKEN = re.compile(r"(?<![0-9])[0-9]{1,20}:[A-Za-z0-9_-]{8,}")
_WORDS: Sequence[tuple[str, type[JackfieldError]]] = (
    ("not found", NotFound),
    ("message_id_invalid", NotFound),
    ("wrong file_id", NotFound),
    ("invalid file_id", NotFound),
    ("user_not_participant", NotFound),
    ("too long", ContentTooLarge),
    ("too big", ContentTooLarge),
    ("too large", ContentTooLarge),
    ("not enough rights", PermissionDenied),
    ("have no rights", PermissionDenied),
    ("administrator rights", PermissionDenied),
    ("admin_required", PermissionDenied),
    ("can't be edited", PermissionDenied),
    ("can't be deleted", PermissionDenied),
    ("method is available only", NotSupported),
    ("method is available for supergroup", NotSupported),
)


class Refusal(TelegramError):
    """An answer other than 2xx, before it is a typed error."""

    def __init__(self, code: int, description: str, parameters: Mapping[str, Any]) -> None:
        super().__init__(description)
        self.code = code
        # The library rewrites the words of its errors.
        self.description = description
        self.parameters = parameters


def redacted(text: str) -> str:
    """The text with every token taken out, and in ASCII: it stands in logs."""
    return ascii(_TOKEN.sub("<token>", text))[1:-1]


def error_of(method: str, refusal: Refusal) -> JackfieldError:
    """The typed error of a refusal."""
    words = redacted(refusal.description)[:LONGEST_WORDS]
    text = f"Telegram refused {method} with {refusal.code}: {words}"
    metadata = {"action": method, "platform_code": str(refusal.code)}
    if refusal.code == 429:
        after = refusal.parameters.get("retry_after")
        seconds = float(after) if isinstance(after, int | float) and after > 0 else 1.0
        return RateLimited(seconds, text, metadata=metadata)
    if refusal.code >= 500:
        return Unavailable(text, metadata=metadata)
    return _permanent(refusal.code, words.lower(), text, metadata)


def _permanent(code: int, words: str, text: str, metadata: dict[str, str]) -> JackfieldError:
    if code == 401 or (code == 404 and words in ("not found", "")):
        return AuthExpired(text, remedy=NEW_TOKEN, metadata=metadata)
    if code == 409:
        return Unavailable(text, remedy=ONE_POLLER, metadata=metadata)
    if code == 413:
        return ContentTooLarge(text, metadata=metadata)
    for part, error_class in _WORDS:
        if part in words:
            return error_class(text, metadata=metadata)
    if code == 403:
        return PermissionDenied(text, metadata=metadata)
    if code == 400:
        return InvalidArgument(text, metadata=metadata)
    return PlatformError(text, metadata=metadata)


def failure_of(method: str, error: TelegramError, *, effect: bool) -> JackfieldError:
    """The typed error of a request that got no answer. What may have been done is OutcomeUnknown."""
    cause = error.__cause__
    text = f"Telegram did not answer {method}: {redacted(error.message)[:LONGEST_WORDS]}"
    unsent = isinstance(cause, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout)
    if effect and not unsent:
        return OutcomeUnknown(text, metadata={"action": method})
    return Unavailable(text, metadata={"action": method})


def not_modified(error: JackfieldError) -> bool:
    """True when an edit would have changed nothing."""
    return "message is not modified" in error.message.lower()
