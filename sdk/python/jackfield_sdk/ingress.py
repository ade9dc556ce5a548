"""Requests of platforms: what an adapter gets of them, and how the plugin that listens hands them over.

Import `HttpRequest` and `HttpResponse` from here in an adapter that declares `provides.routes`; the functions are for the listener,
`addresses_of` for an adapter that tells its platform where it is reached.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import field
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from jackfield.v1 import ingress_pb2, kernel_pb2

from jackfield_sdk import wellknown
from jackfield_sdk.errors import InvalidArgument
from jackfield_sdk.plain import plain
from jackfield_sdk.target import Target

if TYPE_CHECKING:
    from jackfield_sdk.calling import Caller

HANDLE = "/jackfield.v1.Ingress/HandleRequest"
GET_ADDRESSES = "/jackfield.v1.IngressAddresses/GetAddresses"


@plain
class HttpRequest:
    """A request that passed the verification of its route. `headers` in order, names in lower case; `query` undecoded.

    `plain_body` is what the body means where the scheme encrypts it, `remote` the client's address, for people.
    """

    route: str = ""
    method: str = "POST"
    headers: tuple[tuple[str, str], ...] = ()
    query: str = ""
    body: bytes = b""
    plain_body: bytes = b""
    remote: str = ""
    received_time: datetime | None = None

    def header(self, name: str) -> str:
        """The first value of a header; empty without one."""
        wanted = name.lower()
        return next((value for key, value in self.headers if key == wanted), "")

    @property
    def content_type(self) -> str:
        """The media type, in lower case, without parameters."""
        return self.header("content-type").partition(";")[0].strip().lower()

    def params(self) -> dict[str, str]:
        """The query, decoded; of a repeated name the last value."""
        return dict(parse_qsl(self.query, keep_blank_values=True))

    def form(self) -> dict[str, str]:
        """The body as a form; of a repeated name the last value. Raises InvalidArgument for one that is no text."""
        try:
            return dict(parse_qsl(self.body.decode("utf-8"), keep_blank_values=True, max_num_fields=1000))
        except ValueError as error:
            raise InvalidArgument("the body is no form") from error

    def json(self) -> Any:
        """The decrypted body, else the body, as JSON. Raises InvalidArgument."""
        try:
            return json.loads(self.plain_body or self.body)
        except (ValueError, RecursionError) as error:
            raise InvalidArgument("the body is no JSON") from error


@plain
class HttpResponse:
    """What the platform is answered."""

    status: int = 200
    body: bytes = b""
    content_type: str = ""
    headers: tuple[tuple[str, str], ...] = field(default=())

    @staticmethod
    def json(value: Any, status: int = 200) -> HttpResponse:
        """An answer in JSON."""
        return HttpResponse(status, json.dumps(value, ensure_ascii=False).encode(), "application/json")

    @staticmethod
    def text(value: str, status: int = 200) -> HttpResponse:
        """An answer in plain text."""
        return HttpResponse(status, value.encode(), "text/plain; charset=utf-8")


@plain
class RouteAddress:
    """Where one route of a bot is reached; `public` when the operator stated that address."""

    route: str = ""
    url: str = ""
    public: bool = False


def request_to_plain(request: ingress_pb2.HandleRequestRequest) -> HttpRequest:
    """As an adapter sees it."""
    return HttpRequest(
        route=request.route,
        method=request.method,
        headers=_pairs(request.headers),
        query=request.query,
        body=request.body,
        plain_body=request.plain_body,
        remote=request.remote,
        received_time=wellknown.time_to_plain(request.received_time),
    )


def response_to_proto(response: HttpResponse | None) -> ingress_pb2.HandleRequestResponse:
    """As it goes to the listener; None is an empty 200."""
    response = response or HttpResponse()
    proto = ingress_pb2.HandleRequestResponse(status=response.status, body=response.body)
    if response.content_type:
        proto.headers.add(name="content-type", value=response.content_type)
    for name, value in response.headers:
        proto.headers.add(name=name.lower(), value=value)
    return proto


async def hand_over(caller: Caller, bot: str, request: HttpRequest, timeout: float) -> HttpResponse:
    """Gives a verified request to the bot's adapter and returns its answer. Needs `ingress`; raises what the adapter raises."""
    proto = ingress_pb2.HandleRequestRequest(
        route=request.route,
        method=request.method,
        query=request.query,
        body=request.body,
        plain_body=request.plain_body,
        remote=request.remote,
    )
    if request.received_time is not None:
        proto.received_time.CopyFrom(wellknown.time_to_proto(request.received_time))
    for name, value in request.headers:
        proto.headers.add(name=name, value=value)
    answer = await caller.call(
        HANDLE, proto, ingress_pb2.HandleRequestResponse, target=Target(bot=bot), timeout=timeout
    )
    headers = _pairs(answer.headers)
    kind = next((value for name, value in headers if name == "content-type"), "")
    rest = tuple(pair for pair in headers if pair[0] != "content-type")
    return HttpResponse(answer.status or 200, answer.body, kind, rest)


async def lent_secret(caller: Caller, bot: str, key: str) -> str:
    """A key of a bot's configuration that a route of its adapter lends. Needs `ingress`; raises NotFound; never log it."""
    request = kernel_pb2.GetSecretRequest(name=key, bot=bot)
    return (await caller.kernel("GetSecret", request, kernel_pb2.GetSecretResponse)).value


async def addresses_of(caller: Caller, bot: str) -> tuple[RouteAddress, ...]:
    """Where the bot's routes are reached. Needs `call:jackfield.v1.IngressAddresses`; raises NoProvider without a listener."""
    request = ingress_pb2.GetAddressesRequest(bot=bot)
    answer = await caller.call(GET_ADDRESSES, request, ingress_pb2.GetAddressesResponse)
    return tuple(RouteAddress(one.route, one.url, one.public) for one in answer.addresses)


def _pairs(headers: Iterable[ingress_pb2.HttpHeader]) -> tuple[tuple[str, str], ...]:
    return tuple((header.name, header.value) for header in headers)
