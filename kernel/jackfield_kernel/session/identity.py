"""Who a connection is: the secret of its bootstrap file until its first Attach, a resume token afterwards."""

from __future__ import annotations

import hashlib
import hmac
import secrets

from ..journal.journal import Journal
from ..journal.log import LogDriver, Put

RESUME_BUCKET = "resume"


def hashed(token: str) -> bytes:
    """What is kept of a resume token."""
    return hashlib.sha256(token.encode()).digest()


class Identities:
    """Secrets of all plugins. Resume tokens are kept hashed, so that a reader of the journal cannot pose as a plugin."""

    def __init__(self, journal: Journal, driver: LogDriver) -> None:
        self._journal = journal
        self._driver = driver
        self._secrets: dict[str, bytes] = {}
        self._tokens: dict[str, bytes] = {}

    async def load(self) -> None:
        """Read the tokens that an earlier kernel gave out."""
        for plugin, entry in await self._driver.entries(RESUME_BUCKET):
            self._tokens[plugin] = entry.value

    def new_secret(self, plugin: str) -> str:
        """A fresh secret for the bootstrap file; earlier secrets and tokens of the plugin are void."""
        secret = secrets.token_urlsafe(32)
        self._secrets[plugin] = hashed(secret)
        self._tokens.pop(plugin, None)
        return secret

    def matches(self, plugin: str, secret: str) -> bool:
        """Whether `secret` is the plugin's bootstrap secret or its resume token. Takes the same time for any wrong one."""
        given = hashed(secret)
        known = (self._secrets.get(plugin, b""), self._tokens.get(plugin, b""))
        matches = [hmac.compare_digest(given, one) for one in known]
        return True in matches

    def attached(self, plugin: str) -> str:
        """The bootstrap secret is void now; returns the resume token that replaces it."""
        token = secrets.token_urlsafe(32)
        self._secrets.pop(plugin, None)
        self._tokens[plugin] = hashed(token)
        self._journal.put(Put(RESUME_BUCKET, plugin, self._tokens[plugin]))
        return token
