"""Who may connect."""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Mapping

_SCHEMES = ("bearer", "token")


def token_of(headers: Mapping[str, str], query: Mapping[str, str]) -> str:
    """The token that a client sent in `Authorization` or as `?access_token=`; empty for none."""
    scheme, _, token = headers.get("Authorization", "").strip().partition(" ")
    if scheme.lower() in _SCHEMES and token.strip():
        return token.strip()
    return query.get("access_token", "")


def accepts(expected: str, given: str) -> bool:
    """True when no token is asked for or the right one was given; takes the same time for every wrong one."""
    if not expected:
        return True
    return hmac.compare_digest(expected.encode(), given.encode(errors="surrogateescape"))


def is_loopback(host: str) -> bool:
    """True for an address that only this machine reaches."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
