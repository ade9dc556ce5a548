"""Who a request came from, when proxies stand before us."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """Addresses and networks. Raises ValueError."""
    return tuple(ipaddress.ip_network(text.strip(), strict=False) for text in texts)


def remote(peer: str, forwarded: str, trusted: tuple[Network, ...]) -> str:
    """The client's address: of `X-Forwarded-For` the last one that no trusted proxy has. A peer that is not trusted says nothing."""
    found = peer
    for text in reversed([part.strip() for part in forwarded.split(",")] if forwarded else []):
        if not _within(found, trusted):
            return found
        try:
            found = str(ipaddress.ip_address(text))
        except ValueError:
            return found
    return found


def _within(text: str, trusted: tuple[Network, ...]) -> bool:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return any(one in network for network in trusted for one in (address, mapped) if one is not None)
