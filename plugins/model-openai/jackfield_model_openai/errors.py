"""What a provider's refusal is called here. Keys never stand in a message."""

from __future__ import annotations

from collections.abc import Mapping

import openai
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

LONGEST = 300
LONGEST_WAIT = 3600.0


def translated(error: Exception, keys: tuple[str, ...] = ()) -> JackfieldError:
    """The error of the contract."""
    if isinstance(error, JackfieldError):
        return error
    if isinstance(error, openai.APIStatusError):
        return _by_status(error, _clean(error.message, keys))
    if isinstance(error, openai.APITimeoutError | TimeoutError):
        return Unavailable("the provider did not answer in time")
    if isinstance(error, openai.APIConnectionError):
        return Unavailable(f"the provider cannot be reached: {_cause(error)}")
    if isinstance(error, openai.APIError):
        return _in_stream(error, _clean(error.message, keys))
    if isinstance(error, ValueError | RecursionError):
        return PlatformError("the provider answered with something that is no answer")
    return Unavailable(f"the provider's answer broke off: {type(error).__name__}")


def _by_status(error: openai.APIStatusError, text: str) -> JackfieldError:
    status, code = error.status_code, str(error.code or "")
    metadata = {"platform_code": f"{status} {code}".strip()}
    if status == 401:
        return AuthExpired("the provider refused the key", remedy="Set a valid api_key.", metadata=metadata)
    if status == 429 and code == "insufficient_quota":
        return PlatformError(f"the quota of the key is used up: {text}", metadata=metadata)
    if status == 429:
        return RateLimited(retry_after(error.response.headers) or 1.0, text, metadata=metadata)
    if status == 404:
        return NotFound(text, metadata=metadata)
    if status == 413 or code in ("context_length_exceeded", "string_above_max_length"):
        return ContentTooLarge(text, metadata=metadata)
    if status in (400, 422):
        return InvalidArgument(text, metadata={**metadata, "field": str(error.param or "")})
    if status in (408, 409, 425) or status >= 500:
        wait = retry_after(error.response.headers)
        return Unavailable(f"the provider answered {status}: {text}", retry_after=wait, metadata=metadata)
    return PlatformError(f"the provider answered {status}: {text}", metadata=metadata)


def _in_stream(error: openai.APIError, text: str) -> JackfieldError:
    """An error that came in the middle of an answer that had begun with 200."""
    code = str(error.code or "")
    if code == "rate_limit_exceeded":
        return RateLimited(1.0, text)
    if code in ("server_error", "overloaded_error", "timeout"):
        return Unavailable(text)
    return PlatformError(text, metadata={"platform_code": code})


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that the provider asks to wait, at most an hour; None when it does not say."""
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            seconds = float(headers.get(name, "")) * unit
        except ValueError:
            continue
        if seconds >= 0:
            return min(seconds, LONGEST_WAIT)
    return None


def _clean(text: str, keys: tuple[str, ...]) -> str:
    for key in keys:
        text = text.replace(key, "[key]")
    return " ".join(text.split())[:LONGEST] or "no reason given"


def _cause(error: Exception) -> str:
    return type(error.__cause__ or error).__name__
