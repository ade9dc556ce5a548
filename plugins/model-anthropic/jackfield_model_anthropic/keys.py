"""The keys of the endpoint: they take turns, and one that was refused or limited rests."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import anthropic
import httpx2
from jackfield_sdk import AuthExpired, JackfieldError, RateLimited

from jackfield_model_anthropic.bounded import CountingTransport

CONNECT_SECONDS = 10.0
REFUSED_SECONDS = 300.0
SHORTEST_SECRET = 5


@dataclass(slots=True, eq=False)
class Key:
    """One key with its client. It is asked last until `rests_until` by the ring's clock."""

    value: str
    client: anthropic.AsyncAnthropic
    rests_until: float = float("-inf")


class Ring:
    """All keys of one configuration. `clock` in seconds."""

    def __init__(self, config: Mapping[str, Any], clock: Callable[[], float]) -> None:
        # The client's own bound only backs the two of ours: it must not be the shorter one.
        silence = max(float(config["first_seconds"]), float(config["idle_seconds"]))
        words = [word for word in re.split(r"[\s,]+", str(config["api_key"])) if word]
        self._keys = [Key(word, _client(str(config["base_url"]), word, silence)) for word in words]
        self._clock = clock
        self._turn = 0

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must stand in no message. Very short words are left alone: they are no keys."""
        return tuple(key.value for key in self._keys if len(key.value) >= SHORTEST_SECRET)

    def order(self) -> list[Key]:
        """Whom to ask: those that are well, from the next one on, then those that rest."""
        now, turn = self._clock(), self._turn
        self._turn = (turn + 1) % len(self._keys)
        turned = self._keys[turn:] + self._keys[:turn]
        return sorted(turned, key=lambda key: key.rests_until > now)

    def rest(self, key: Key, error: JackfieldError) -> bool:
        """Notes what became of a key. True when another key may do better."""
        if isinstance(error, AuthExpired):
            key.rests_until = self._clock() + REFUSED_SECONDS
        elif isinstance(error, RateLimited):
            key.rests_until = self._clock() + (error.retry_after or 1.0)
        else:
            return False
        return True

    async def close(self) -> None:
        """Give up the connections."""
        for key in self._keys:
            await key.client.close()


def _client(base_url: str, key: str, silence: float) -> anthropic.AsyncAnthropic:
    timeout = anthropic.Timeout(silence, connect=CONNECT_SECONDS)
    # A redirect would carry the key to wherever the server points.
    http = httpx2.AsyncClient(transport=CountingTransport(), timeout=timeout, follow_redirects=False)
    return anthropic.AsyncAnthropic(
        api_key=key, base_url=base_url, max_retries=0, timeout=timeout, http_client=http
    )
