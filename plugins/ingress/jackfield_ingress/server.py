"""From a connection to the adapter and back: what is checked, in which order, and what the platform is answered."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from aiohttp import web
from jackfield_sdk import JackfieldError
from jackfield_sdk.ingress import HttpRequest, HttpResponse

from jackfield_ingress.challenges import HUB, JSON_CHALLENGE, hub, json_challenge
from jackfield_ingress.quiet import QuietLog
from jackfield_ingress.remote import Network, remote
from jackfield_ingress.replay import Replays
from jackfield_ingress.routes import Served
from jackfield_ingress.verify import Incoming, Refusal, Verified

HandOver = Callable[[str, HttpRequest, float], Awaitable[HttpResponse]]
"""(bot, request, seconds). Raises JackfieldError."""

RETRY_AFTER = 5
# Of the request: what says how it travelled, who else saw it, or what this machine told the client.
_KEPT_INSIDE = frozenset(
    """
    connection keep-alive proxy-authenticate proxy-authorization te trailer transfer-encoding upgrade host content-length
    cookie forwarded x-forwarded-for x-forwarded-host x-forwarded-proto x-forwarded-port x-real-ip via expect
    """.split()  # noqa: SIM905 - a list of words reads better as text
)
# Of the answer: what the listener itself says.
_OURS = frozenset(
    "connection keep-alive transfer-encoding content-length content-encoding upgrade server date trailer".split()  # noqa: SIM905
)
# By the reason of an error of the adapter or the kernel; everything else is our failure.
_STATUS: Mapping[str, int] = {
    "INVALID_ARGUMENT": 400,
    "CONTENT_TOO_LARGE": 413,
    "FRAME_TOO_LARGE": 413,
    "NOT_FOUND": 404,
    "UNAVAILABLE": 503,
    "OVERLOADED": 503,
    "RATE_LIMITED": 503,
    "DEADLINE_EXCEEDED": 503,
    "UNKNOWN_BOT": 503,
    "OUTCOME_UNKNOWN": 503,
    "CANCELLED": 503,
    "AUTH_EXPIRED": 503,
}


@dataclass(frozen=True)
class Doors:
    """What the operator set for the listener."""

    trusted: tuple[Network, ...] = ()
    concurrent: int = 256
    public_url: str = ""


class Server:
    """Answers requests. `routes` is replaced as the catalog changes."""

    def __init__(
        self, hand_over: HandOver, doors: Doors, log: QuietLog, now: Callable[[], float] = time.time
    ) -> None:
        self.routes: Mapping[str, Served] = {}
        self.base_url = doors.public_url
        self._hand_over = hand_over
        self._doors = doors
        self._log = log
        self._now = now
        self._replays = Replays(seconds=660.0)
        self._running = 0

    async def handle(self, request: web.BaseRequest) -> web.Response:
        """Any request at all."""
        response = await self._handle(request)
        # Otherwise the library says its name and version.
        response.headers["Server"] = ""
        return response

    async def _handle(self, request: web.BaseRequest) -> web.Response:
        served = self.routes.get(request.rel_url.raw_path)
        if served is None:
            return _empty(404)
        if request.method not in served.methods and not (request.method == "GET" and served.challenge == HUB):
            return _empty(405, Allow=", ".join(served.methods))
        if served.off:
            return _busy(RETRY_AFTER)
        if self._running >= self._doors.concurrent:
            return _busy(1)
        self._running += 1
        try:
            async with asyncio.timeout(served.deadline):
                return _answer(await self._served(request, served))
        except TimeoutError:
            self._refused(request, served, "it was not answered within the platform's deadline")
            return _busy(RETRY_AFTER)
        except Refusal as refusal:
            self._refused(request, served, str(refusal))
            return _empty(401)
        except _TooLarge:
            self._refused(request, served, f"its body is above {served.max_body} bytes")
            return _empty(413)
        except _Encoded:
            return _empty(415)
        except _TooMany as many:
            self._refused(request, served, "more came than the route takes")
            return _empty(429, **{"Retry-After": str(many.seconds)})
        except JackfieldError as error:
            return self._failed(request, served, error)
        finally:
            self._running -= 1

    async def _served(self, request: web.BaseRequest, served: Served) -> HttpResponse:
        started = asyncio.get_running_loop().time()
        body = await _body(request, served.max_body)
        incoming = Incoming(
            method=request.method,
            headers=_first(request),
            query=request.rel_url.raw_query_string,
            body=body,
            now=self._now(),
            url=self.base_url + request.rel_url.raw_path_qs,
        )
        if served.challenge == HUB and request.method == "GET":
            return HttpResponse(200, hub(incoming, served.challenge_secret), "text/plain")
        verified = served.scheme.verify(incoming)
        if verified.challenge is not None:
            kind = "application/json" if verified.challenge.startswith(b"{") else "text/plain"
            return HttpResponse(200, verified.challenge, kind)
        if served.challenge == JSON_CHALLENGE and (proof := json_challenge(body)) is not None:
            return HttpResponse(200, proof, "application/json")
        seconds = served.bucket.take(asyncio.get_running_loop().time())
        if seconds:
            raise _TooMany(math.ceil(seconds))
        left = served.deadline - (asyncio.get_running_loop().time() - started)
        handed = self._handed(request, served, incoming, verified)
        return await self._replays.once(
            served.path, verified.once, incoming.now, lambda: self._hand_over(served.bot, handed, left)
        )

    def _handed(
        self, request: web.BaseRequest, served: Served, incoming: Incoming, verified: Verified
    ) -> HttpRequest:
        return HttpRequest(
            route=served.route,
            method=incoming.method,
            headers=tuple(
                (name.lower(), value)
                for name, value in request.headers.items()
                if name.lower() not in _KEPT_INSIDE
            ),
            query=incoming.query,
            body=incoming.body,
            plain_body=verified.plain_body,
            remote=self._remote(request),
            received_time=datetime.fromtimestamp(incoming.now, UTC),
        )

    def _failed(self, request: web.BaseRequest, served: Served, error: JackfieldError) -> web.Response:
        status = _STATUS.get(error.reason, 503 if error.retryable else 500)
        self._refused(request, served, f"its adapter answered {error.reason}: {error.message}")
        if status == 503:
            return _busy(math.ceil(error.retry_after or RETRY_AFTER))
        return _empty(status)

    def _refused(self, request: web.BaseRequest, served: Served, why: str) -> None:
        self._log.refused(served.path, self._remote(request), why, self._now())

    def _remote(self, request: web.BaseRequest) -> str:
        forwarded = ",".join(request.headers.getall("X-Forwarded-For", ()))
        return remote(request.remote or "", forwarded, self._doors.trusted)


class _TooLarge(Exception):
    pass


class _Encoded(Exception):
    pass


class _TooMany(Exception):
    def __init__(self, seconds: int) -> None:
        self.seconds = seconds


async def _body(request: web.BaseRequest, most: int) -> bytes:
    """The body as it was sent: signatures are over these bytes."""
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise _Encoded
    if (request.content_length or 0) > most:
        raise _TooLarge
    body = bytearray()
    async for chunk in request.content.iter_any():
        body += chunk
        if len(body) > most:
            raise _TooLarge
    return bytes(body)


def _first(request: web.BaseRequest) -> dict[str, str]:
    """Headers by name. One that comes twice is no header: a proxy may have checked the other one."""
    found: dict[str, str] = {}
    twice: set[str] = set()
    for name, value in request.headers.items():
        key = name.lower()
        if key in found:
            twice.add(key)
        found[key] = value
    return {name: value for name, value in found.items() if name not in twice}


def _answer(response: HttpResponse) -> web.Response:
    answer = web.Response(
        status=response.status if 200 <= response.status <= 599 else 500, body=response.body
    )
    if response.content_type:
        answer.headers["Content-Type"] = _line(response.content_type)
    elif not response.body:
        answer.headers.popall("Content-Type", None)
    for name, value in response.headers:
        if name not in _OURS:
            answer.headers.add(_line(name), _line(value))
    return answer


def _line(text: str) -> str:
    return "".join(char for char in text if char.isprintable())


def _busy(seconds: int) -> web.Response:
    return _empty(503, **{"Retry-After": str(max(1, seconds))})


def _empty(status: int, **headers: str) -> web.Response:
    """Nothing to see: no name, no version, no reason."""
    return web.Response(status=status, headers=headers)
