"""Leases: exclusive rights with fencing tokens, for credentials that one process at a time may use."""

from __future__ import annotations

from collections.abc import Callable

from ..errors import Refused
from ..journal.journal import Journal
from ..journal.log import LogDriver, Put, Unit
from ..journal.reading import every

BUCKET = "lease"
MIN_TTL, MAX_TTL = 1.0, 3600.0


class Leases:
    """All leases, kept in memory and in the journal. A lease whose time is over is free."""

    def __init__(self, journal: Journal, driver: LogDriver, now: Callable[[], float]) -> None:
        self._journal = journal
        self._driver = driver
        self._now = now
        self._held: dict[str, tuple[str, str, int, float]] = {}

    async def load(self) -> None:
        """Read the leases that an earlier kernel gave."""
        async for name, entry in every(self._driver, BUCKET):
            owner, holder, token = entry.value.decode().split("\n", 2)
            self._held[name] = (owner, holder, int(token), entry.expires_at)

    async def acquire(self, owner: str, name: str, ttl: float, holder: str) -> int:
        """Take or renew; returns the fencing token. Raises Refused CONFLICT naming the holder."""
        if not name or not MIN_TTL <= ttl <= MAX_TTL:
            raise Refused(
                "INVALID_ARGUMENT", "a lease needs a name and a life time of 1 s to 1 h", field="ttl"
            )
        now = self._now()
        current = self._held.get(name)
        token = 1
        if current is not None:
            other, who, token, expires = current
            if other != owner:
                if expires > now:
                    raise Refused(
                        "CONFLICT",
                        f"{name} is held by {who or other}",
                        remedy=f"Stop {other} or wait {expires - now:.0f} s.",
                        key=name,
                        holder=other,
                    )
                token += 1
        self._held[name] = (owner, holder, token, now + ttl)
        value = f"{owner}\n{holder}\n{token}".encode()
        await self._journal.write(Unit(puts=(Put(BUCKET, name, value, now + ttl),)))
        return token

    async def release(self, owner: str, name: str) -> None:
        """Give back; nothing happens when it is not held by `owner`."""
        current = self._held.get(name)
        if current is not None and current[0] == owner:
            _, holder, token, _ = current
            self._held[name] = (owner, holder, token, 0.0)
            await self._journal.write(Unit(puts=(Put(BUCKET, name, None),)))
