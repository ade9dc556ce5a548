"""What every scheme is given and what it answers. Schemes do no I/O and read no clock: the time comes with the request."""

from __future__ import annotations

import hmac
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar
from urllib.parse import parse_qsl

WINDOW = 300.0
"""Seconds by which a signed time may differ from ours, either way."""


class Refusal(Exception):
    """The request did not prove where it comes from. The text is for the operator's log: it holds no value of the request."""


class SchemeUnusable(Exception):
    """The scheme cannot verify anything: a secret or setting is missing or malformed. No request gets through."""


@dataclass(frozen=True, slots=True)
class Incoming:
    """A request as it was received. `headers` by name in lower case, first values; `now` in seconds since 1970."""

    method: str
    headers: Mapping[str, str]
    query: str
    body: bytes
    now: float
    url: str = ""

    def header(self, name: str) -> str:
        """A header that must be there and not be empty. Raises Refusal."""
        value = self.headers.get(name, "")
        if not value:
            raise Refusal(f"the header {name} is missing")
        return value

    def params(self) -> dict[str, str]:
        """The query, decoded. Raises Refusal for a name that comes twice: who reads it next may take the other one."""
        pairs = parse_qsl(self.query, keep_blank_values=True)
        found = dict(pairs)
        if len(found) != len(pairs):
            raise Refusal("a query parameter comes twice")
        return found


@dataclass(frozen=True, slots=True)
class Verified:
    """The request is the platform's. `once` names it where the scheme signs a time, so that a replay can be told; else it is empty.

    `plain_body` is the decrypted message where the scheme encrypts it. `challenge`, when the scheme itself answers the proof of an
    address, is that answer.
    """

    once: str = ""
    plain_body: bytes = b""
    challenge: bytes | None = None


class Scheme(ABC):
    """One way to verify. `needs` are the roles of its secrets, `settings` the names of its settings."""

    needs: ClassVar[tuple[str, ...]] = ()
    settings: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def __init__(self, secrets: Mapping[str, str], settings: Mapping[str, Any]) -> None:
        """Raises SchemeUnusable."""

    @abstractmethod
    def verify(self, request: Incoming) -> Verified:
        """Raises Refusal for everything that is not proven."""


def same(given: str | bytes, wanted: str | bytes) -> bool:
    """Compares in constant time; text that is not ASCII is compared by its bytes."""
    first = given.encode() if isinstance(given, str) else given
    second = wanted.encode() if isinstance(wanted, str) else wanted
    return hmac.compare_digest(first, second)


def check_time(text: str, now: float, window: float = WINDOW, unit: float = 1.0) -> None:
    """Raises Refusal for a signed time that is no number or outside the window."""
    if not text.isascii() or not text.isdigit() or len(text) > 16:
        raise Refusal("the signed time is no number")
    if abs(now - int(text) * unit) > window:
        raise Refusal(f"the signed time is more than {window:g} s away from this machine's clock")
