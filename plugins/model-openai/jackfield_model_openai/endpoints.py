"""Where models are asked: a chain of endpoints, each with its keys and its health."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httpx2
import openai

from jackfield_model_openai.bounded import BoundedTransport

CONNECT_SECONDS = 10.0
# How long what failed is asked only when nothing else is left.
REST_SECONDS = 30.0
REFUSED_SECONDS = 300.0


@dataclass(slots=True)
class Key:
    """One key with its client. `rests_until` by the chain's clock."""

    value: str
    client: openai.AsyncOpenAI
    rests_until: float = 0.0


@dataclass(slots=True)
class Endpoint:
    """One server. `model` replaces the one asked for; empty: as asked."""

    name: str
    model: str
    keys: list[Key]
    rests_until: float = 0.0
    next_key: int = 0


@dataclass(slots=True)
class Chain:
    """All endpoints of a configuration, the first one first. `clock` in seconds."""

    endpoints: list[Endpoint]
    clock: Callable[[], float]
    secrets: tuple[str, ...] = field(default=())

    @classmethod
    def of(cls, config: Mapping[str, Any], clock: Callable[[], float]) -> Chain:
        """From the plugin's configuration."""
        first_url, own = str(config["base_url"]), _words(str(config["api_key"]))
        named = dict(
            pair.partition("=")[::2] for pair in _words(str(config.get("fallback_keys") or "")) if "=" in pair
        )
        silence = max(float(config["first_seconds"]), float(config["idle_seconds"]))
        endpoints = [Endpoint("main", "", [_key(first_url, value, silence) for value in own])]
        for fallback in config.get("fallbacks") or ():
            url = str(fallback["base_url"])
            # A key is shown to no other host than its own.
            same = urlsplit(url).netloc == urlsplit(first_url).netloc
            values = [named[fallback["name"]]] if fallback["name"] in named else own if same else ["none"]
            keys = [_key(url, value, silence) for value in values]
            endpoints.append(Endpoint(fallback["name"], str(fallback.get("model") or ""), keys))
        return cls(endpoints, clock, tuple(value for value in (*own, *named.values()) if len(value) > 4))

    def order(self) -> Iterator[tuple[Endpoint, Key]]:
        """Whom to ask: the healthy ones in order, each key in its turn, then those that rest."""
        now = self.clock()
        ready: list[tuple[Endpoint, Key]] = []
        resting: list[tuple[Endpoint, Key]] = []
        for endpoint in self.endpoints:
            count = len(endpoint.keys)
            turn = endpoint.next_key
            endpoint.next_key = (turn + 1) % count
            for number in range(count):
                key = endpoint.keys[(turn + number) % count]
                rests = max(endpoint.rests_until, key.rests_until) > now
                (resting if rests else ready).append((endpoint, key))
        yield from ready
        yield from resting

    async def close(self) -> None:
        """Give up the connections."""
        for endpoint in self.endpoints:
            for key in endpoint.keys:
                await key.client.close()


def _key(base_url: str, value: str, silence: float) -> Key:
    timeout = openai.Timeout(silence, connect=CONNECT_SECONDS)
    # Redirects would carry the key to wherever a server points.
    http = httpx2.AsyncClient(transport=BoundedTransport(), timeout=timeout, follow_redirects=False)
    client = openai.AsyncOpenAI(
        api_key=value, base_url=base_url, max_retries=0, timeout=timeout, http_client=http
    )
    return Key(value, client)


def _words(text: str) -> list[str]:
    return [word for word in re.split(r"[\s,]+", text) if word]
