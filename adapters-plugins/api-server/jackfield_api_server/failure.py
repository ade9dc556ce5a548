"""What goes wrong, as clients of OpenAI know it."""

from __future__ import annotations

import math
from typing import Any

from aiohttp import web
from jackfield_sdk import ContentTooLarge, InvalidArgument, JackfieldError, Overloaded, RateLimited

INVALID = "invalid_request_error"
SERVER = "server_error"


class Failure(Exception):
    """An answer other than 200. `retry_after` in seconds; `final` asks official clients not to try again by themselves."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        kind: str = INVALID,
        param: str | None = None,
        retry_after: float | None = None,
        final: bool = False,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.kind = kind
        self.param = param
        self.headers: dict[str, str] = {}
        if retry_after is not None:
            self.headers["Retry-After"] = str(max(1, math.ceil(retry_after)))
        if final:
            self.headers["x-should-retry"] = "false"

    def error(self) -> dict[str, Any]:
        """The object under `error`."""
        return {"message": self.message, "type": self.kind, "param": self.param, "code": self.code}

    def response(self) -> web.Response:
        """The whole answer."""
        return web.json_response({"error": self.error()}, status=self.status, headers=self.headers)


def wrong(param: str, expected: str) -> Failure:
    """400 that names the field."""
    return Failure(400, "invalid_value", f"{param}: expected {expected}", param=param)


def refused(error: JackfieldError) -> Failure:
    """The kernel did not take the message."""
    if isinstance(error, Overloaded | RateLimited):
        return Failure(
            429,
            "rate_limit_exceeded",
            error.message,
            kind="rate_limit_error",
            retry_after=error.retry_after or 1,
        )
    if isinstance(error, ContentTooLarge):
        return Failure(413, "content_too_large", error.message)
    if isinstance(error, InvalidArgument):
        return Failure(400, "invalid_value", error.message)
    return Failure(
        503, "unavailable", f"the message was not taken: {error.message}", kind=SERVER, retry_after=1
    )
