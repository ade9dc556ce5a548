"""One event to one URL: signed, bounded, tried again by class of failure."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import random
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from jackfield_sdk import PermissionDenied, PlatformError, Unavailable

from jackfield_webhook_handler.addresses import Network, check_literal
from jackfield_webhook_handler.settings import Settings

LARGEST_ANSWER = 1 << 20
LONGEST_PAUSE = 120.0
_AGAIN = frozenset({408, 429})


class Poster:
    """`now` in seconds since 1970; `sleep` in seconds; for tests."""

    def __init__(
        self,
        http: aiohttp.ClientSession,
        private: Callable[[], list[Network]],
        now: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._http = http
        self._private = private
        self._now = now
        self._sleep = sleep

    async def post(self, settings: Settings, body: dict[str, Any], chance: random.Random) -> Any:
        """The answer's JSON, None for an empty one. Raises JackfieldError when all attempts failed or none can help."""
        check_literal(urlsplit(settings.url).hostname or "", self._private())
        attempt = 0
        while True:
            attempt += 1
            try:
                return await self._once(settings, {**body, "attempt": attempt, "sent_at": int(self._now())})
            except Unavailable as error:
                if attempt > settings.retry_count:
                    raise PlatformError(f"{error.message}, after {attempt} attempts") from error
                pause = settings.retry_interval * 2 ** (attempt - 1) * chance.uniform(0.5, 1.0)
                await self._sleep(min(max(pause, error.retry_after or 0.0), LONGEST_PAUSE))

    async def _once(self, settings: Settings, body: dict[str, Any]) -> Any:
        raw = json.dumps(body, ensure_ascii=False, allow_nan=False).encode()
        headers = {**settings.headers, "Content-Type": "application/json"}
        headers["X-Jackfield-Event"] = body["event"]["event_id"]
        if settings.secret:
            stamp = str(int(self._now()))
            digest = hmac.new(settings.secret.encode(), stamp.encode() + b"." + raw, hashlib.sha256)
            headers["X-Jackfield-Timestamp"] = stamp
            headers["X-Jackfield-Signature"] = f"sha256={digest.hexdigest()}"
        try:
            async with (
                asyncio.timeout(settings.timeout),
                self._http.request(
                    settings.method, settings.url, data=raw, headers=headers, allow_redirects=False
                ) as response,
            ):
                return await self._answer(response, settings.response_actions)
        except TimeoutError:
            raise Unavailable(f"no answer within {settings.timeout:g} s") from None
        except aiohttp.InvalidURL:
            raise PlatformError("the url of the rule is none") from None
        except (aiohttp.ClientError, OSError) as error:
            if isinstance(error.__cause__, PermissionDenied):
                raise error.__cause__ from None
            raise Unavailable(f"no connection: {type(error).__name__}") from error

    async def _answer(self, response: aiohttp.ClientResponse, wanted: bool) -> Any:
        status = response.status
        if status in _AGAIN or status >= 500:
            raise Unavailable(f"the URL answered {status}", retry_after=self._wait(response.headers))
        if 300 <= status < 400:
            raise PlatformError(f"the URL answered {status}: redirects are not followed")
        if status >= 400:
            raise PlatformError(f"the URL answered {status}")
        if not wanted:
            return None
        raw = await _bounded(response.content)
        if not raw.strip():
            return None
        if response.content_type != "application/json":
            raise PlatformError(f"the answer is {response.content_type[:80]}, not application/json")
        try:
            return json.loads(raw)
        except (ValueError, RecursionError) as error:
            raise PlatformError("the answer is no JSON") from error

    def _wait(self, headers: Any) -> float | None:
        """Seconds that Retry-After names, as a number or a date; None when it names none."""
        text = headers.get("Retry-After", "").strip()
        if text.isdecimal() and len(text) < 10:
            return float(text)
        try:
            at = parsedate_to_datetime(text)
        except (ValueError, TypeError):
            return None
        at = at if at.tzinfo else at.replace(tzinfo=UTC)
        return max(0.0, (at - datetime.fromtimestamp(self._now(), UTC)).total_seconds())


async def _bounded(stream: aiohttp.StreamReader) -> bytes:
    parts, size = [], 0
    async for chunk in stream.iter_chunked(64 * 1024):
        size += len(chunk)
        if size > LARGEST_ANSWER:
            raise PlatformError("the answer is above 1 MiB")
        parts.append(chunk)
    return b"".join(parts)
