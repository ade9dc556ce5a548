"""Which addresses may be reached. A name is resolved once, and the connection goes to the address that was checked."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Callable, Iterable

from aiohttp.abc import AbstractResolver, ResolveResult
from jackfield_sdk import PermissionDenied

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def allowed(address: str, private: Iterable[Network]) -> bool:
    """Public addresses, and those of the operator's list."""
    ip: ipaddress.IPv4Address | ipaddress.IPv6Address = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    if any(ip.version == network.version and ip in network for network in private):
        return True
    translated = isinstance(ip, ipaddress.IPv6Address) and (ip.sixtofour is not None or ip.teredo is not None)
    nat64 = isinstance(ip, ipaddress.IPv6Address) and ip in ipaddress.ip_network("64:ff9b::/96")
    return ip.is_global and not ip.is_multicast and not translated and not nat64


def check_literal(host: str, private: Iterable[Network]) -> None:
    """A host that is an address itself is never resolved. Raises PermissionDenied."""
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return
    if not allowed(host.strip("[]"), private):
        raise refused(host)


def refused(host: str) -> PermissionDenied:
    """Why an address is not reached."""
    return PermissionDenied(
        f"{host} is an address of a private network",
        remedy="Add its network to `allow_private` of the plugin, if it is meant.",
    )


class CheckedResolver(AbstractResolver):
    """Resolves for the connector, and refuses a name of which any address is refused. `private` is asked at each name."""

    def __init__(self, private: Callable[[], list[Network]]) -> None:
        self._private = private

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """As the connector asks. Raises OSError and PermissionDenied."""
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, family=family)
        private = self._private()
        results: list[ResolveResult] = []
        for kind, _, protocol, _, address in found:
            if not allowed(str(address[0]), private):
                raise refused(host)
            results.append(
                ResolveResult(
                    hostname=host,
                    host=str(address[0]),
                    port=port,
                    family=kind,
                    proto=protocol,
                    flags=socket.AI_NUMERICHOST,
                )
            )
        return results

    async def close(self) -> None:
        """Holds nothing."""
