"""Tells adapters where their routes are reached."""

from __future__ import annotations

from collections.abc import Callable

from jackfield.v1 import ingress_pb2, ingress_pb2_grpc
from jackfield_sdk import Unavailable


class AddressBook(ingress_pb2_grpc.IngressAddressesServicer):
    """Serves `IngressAddresses`. `look` gives (route, url) of a bot, None while nothing is known."""

    def __init__(self) -> None:
        self.look: Callable[[str], list[tuple[str, str]] | None] = lambda bot: None
        self.public = False

    async def GetAddresses(
        self, request: ingress_pb2.GetAddressesRequest, context: object
    ) -> ingress_pb2.GetAddressesResponse:
        """See the contract."""
        found = self.look(request.bot)
        if found is None:
            raise Unavailable("the listener is not up yet")
        response = ingress_pb2.GetAddressesResponse()
        for route, url in found:
            response.addresses.add(route=route, url=url, public=self.public)
        return response
