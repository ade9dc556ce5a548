"""Leases: exclusive rights with fencing tokens, for credentials that one process at a time may use."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import NamedTuple

from ..errors import Refused
from ..journal.journal import Journal
from ..journal.log import LogDriver, Put, Unit
from ..journal.reading import every

BUCKET = "lease"
MIN_TTL, MAX_TTL = 1.0, 3600.0
MAX_NAMES = 1_000
"""Names that one plugin may hold at a time."""


class _Lease(NamedTuple):
    owner: str
    holder: str
    token: int
    expires: float


class Leases:
    """All leases, kept in memory and in the journal. A lease whose time is over is free.

    A token is the version that the journal gave to the first write of the lease: it only ever grows, also over a release, an expiry
    and a restart.
    """

    def __init__(self, journal: Journal, driver: LogDriver, now: Callable[[], float]) -> None:
        self._journal = journal
        self._driver = driver
        self._now = now
        self._held: dict[str, _Lease] = {}
        self._changing = asyncio.Lock()

    async def load(self) -> None:
        """Read the leases that an earlier kernel gave."""
        async for name, entry in every(self._driver, BUCKET):
            owner, holder, token = entry.value.decode().split("\n", 2)
            self._held[name] = _Lease(owner, holder, int(token) or entry.version, entry.expires_at)

    async def acquire(self, owner: str, name: str, ttl: float, holder: str) -> int:
        """Take or renew; returns the fencing token. Raises Refused CONFLICT naming the holder, QUOTA_EXCEEDED."""
        if not name or not MIN_TTL <= ttl <= MAX_TTL or "\n" in holder:
            raise Refused(
                "INVALID_ARGUMENT",
                "a lease needs a name, a life time of 1 s to 1 h, and a holder on one line",
                field="ttl",
            )
        async with self._changing:
            now = self._now()
            self._held = {held: lease for held, lease in self._held.items() if lease.expires > now}
            current = self._held.get(name)
            if current is not None and current.owner != owner:
                raise Refused(
                    "CONFLICT",
                    f"{name} is held by {current.holder or current.owner}",
                    remedy=f"Stop {current.owner} or wait {current.expires - now:.0f} s.",
                    key=name,
                    holder=current.owner,
                )
            if current is None and sum(one.owner == owner for one in self._held.values()) >= MAX_NAMES:
                raise Refused(
                    "QUOTA_EXCEEDED",
                    f"plugin {owner} holds {MAX_NAMES} leases",
                    remedy="Release those that are not needed.",
                    limit=str(MAX_NAMES),
                    unit="leases",
                )
            token = current.token if current is not None else 0
            value = f"{owner}\n{holder}\n{token}".encode()
            outcome = await self._journal.write(Unit(puts=(Put(BUCKET, name, value, now + ttl),)))
            self._held[name] = _Lease(owner, holder, token or outcome.version, now + ttl)
            return self._held[name].token

    async def release(self, owner: str, name: str) -> None:
        """Give back; nothing happens when it is not held by `owner`."""
        async with self._changing:
            current = self._held.get(name)
            if current is not None and current.owner == owner:
                await self._journal.write(Unit(puts=(Put(BUCKET, name, None),)))
                del self._held[name]
