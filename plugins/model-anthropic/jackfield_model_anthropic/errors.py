"""What a provider's refusal is called here. No key stands in a message."""

from __future__ import annotations

from collections.abc import Mapping

import anthropic
from jackfield_sdk import (
    AuthExpired,
    ContentTooLarge,
    InvalidArgument,
    JackfieldError,
    NotFound,
    PlatformError,
    RateLimited,
    Unavailable,
)

LONGEST_WORDS = 300
LONGEST_WAIT = 3600.0
# The provider names no code for these; its words are all there is to go by.
_TOO_LONG = ("prompt is too long", "exceed context limit", "context window")
_BY_STATUS = {
    400: "invalid_request_error",
    401: "authentication_error",
    404: "not_found_error",
    408: "timeout_error",
    413: "request_too_large",
    422: "invalid_request_error",
    429: "rate_limit_error",
}


def translated(error: Exception, secrets: tuple[str, ...] = ()) -> JackfieldError:
    """The error of the contract."""
    match error:
        case JackfieldError():
            return error
        case anthropic.APIStatusError():
            return _refusal(error, secrets)
        case anthropic.APITimeoutError() | TimeoutError():
            return Unavailable("the provider did not answer in time")
        case anthropic.APIConnectionError(__cause__=JackfieldError() as cause):
            return cause
        case anthropic.APIConnectionError():
            return Unavailable(f"the provider cannot be reached: {type(error.__cause__ or error).__name__}")
        case ValueError() | RecursionError() | anthropic.AnthropicError():
            return PlatformError("the provider answered with something that is no answer")
    return Unavailable(f"the provider's answer broke off: {type(error).__name__}")


def _refusal(error: anthropic.APIStatusError, secrets: tuple[str, ...]) -> JackfieldError:
    # In the middle of an answer the status is 200 and only the kind tells what happened.
    status = error.status_code
    kind = error.type if isinstance(error.type, str) else _BY_STATUS.get(status, "")
    words = error.api_message if isinstance(error.api_message, str) else error.message
    text = _clean(words, secrets)
    metadata = {"platform_code": f"{status} {kind}".strip()}
    wait = _wait(error.response.headers)
    if status == 401 or kind == "authentication_error":
        return AuthExpired("the provider refused the key", remedy="Set a valid api_key.", metadata=metadata)
    if status == 429 or kind == "rate_limit_error":
        return RateLimited(wait or 1.0, text, metadata=metadata)
    if status == 413 or kind == "request_too_large" or any(words in text.lower() for words in _TOO_LONG):
        return ContentTooLarge(text, metadata=metadata)
    if kind == "not_found_error":
        return NotFound(text, metadata=metadata)
    if kind == "invalid_request_error":
        return InvalidArgument(text, metadata={**metadata, "field": _field(text)})
    if status in (408, 409) or status >= 500 or kind in ("overloaded_error", "api_error", "timeout_error"):
        said = f"the provider answered {kind or status}: {text}"
        return Unavailable(said, retry_after=wait, metadata=metadata)
    return PlatformError(f"the provider answered {status}: {text}", metadata=metadata)


def _field(text: str) -> str:
    """The provider begins its words with the field, such as `messages.0.content: ...`."""
    name, colon, _ = text.partition(":")
    return name if colon and name.replace("_", "").replace(".", "").isalnum() else ""


def _wait(headers: Mapping[str, str]) -> float | None:
    """Seconds that the provider asks to wait, at most an hour; None when it does not say."""
    try:
        seconds = float(headers.get("retry-after", ""))
    except ValueError:
        return None
    # "nan" is a number to float(), and to no comparison.
    return min(seconds, LONGEST_WAIT) if seconds >= 0 else None


def _clean(text: str, secrets: tuple[str, ...]) -> str:
    for secret in secrets:
        text = text.replace(secret, "[key]")
    return " ".join(text.split())[:LONGEST_WORDS] or "no reason given"
