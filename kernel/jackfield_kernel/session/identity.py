"""Who a connection is: the secret of its bootstrap file until its first Attach, a resume token afterwards."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
import secrets

from ..journal.journal import Journal
from ..journal.log import LogDriver, Put, Unit
from ..journal.reading import every

RESUME_BUCKET = "resume"
HASH_BYTES = 32
COMMIT_SECONDS = 2.0

log = logging.getLogger(__name__)


def hashed(token: str) -> bytes:
    """What is kept of a resume token."""
    return hashlib.sha256(token.encode()).digest()


class Identities:
    """Secrets of all plugins. Resume tokens are kept hashed, so that a reader of the journal cannot pose as a plugin.

    A new token is committed before the plugin hears of it, and the proof that it came with stays good until the token is used: whoever
    dies in between, kernel or connection, the plugin can prove itself to the next kernel.
    """

    def __init__(self, journal: Journal, driver: LogDriver) -> None:
        self._journal = journal
        self._driver = driver
        self._proofs: dict[str, tuple[bytes, ...]] = {}

    async def load(self) -> None:
        """Read what an earlier kernel kept."""
        async for plugin, entry in every(self._driver, RESUME_BUCKET):
            self._proofs[plugin] = tuple(
                entry.value[at : at + HASH_BYTES] for at in range(0, len(entry.value), HASH_BYTES)
            )

    def known(self, plugin: str) -> bool:
        """Whether a process of an earlier kernel could prove that it is the plugin."""
        return plugin in self._proofs

    def new_secret(self, plugin: str, *, also: bool) -> str:
        """A fresh secret for the bootstrap file. Earlier secrets and tokens are void, unless it holds `also`, beside them."""
        secret = secrets.token_urlsafe(32)
        if also:
            self._proofs[plugin] = (hashed(secret), *self._proofs.get(plugin, ())[:2])
            return secret
        self._proofs[plugin] = (hashed(secret),)
        self._journal.submit(Unit(puts=(Put(RESUME_BUCKET, plugin, None),)), lambda _: None)
        return secret

    def matches(self, plugin: str, secret: str) -> bool:
        """Whether `secret` is the plugin's bootstrap secret or its resume token. Takes the same time for any wrong one."""
        given = hashed(secret)
        matches = [hmac.compare_digest(given, one) for one in self._proofs.get(plugin, ())]
        return True in matches

    async def attached(self, plugin: str, proof: bytes) -> str:
        """The plugin attached with the secret that hashes to `proof`. Returns the token that replaces it, committed."""
        token = secrets.token_urlsafe(32)
        self._proofs[plugin] = (hashed(token), proof)
        kept = b"".join(self._proofs[plugin])
        try:
            async with asyncio.timeout(COMMIT_SECONDS):
                await self._journal.write(Unit(puts=(Put(RESUME_BUCKET, plugin, kept),)))
        except TimeoutError:
            # A stuck disk must not end plugins as well: without this commit the next kernel starts the plugin anew.
            log.warning("the resume token of %s is not committed yet: the disk is slow", plugin)
        return token
