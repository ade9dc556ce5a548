"""What `provides.routes` may say: where an adapter's platform sends requests, and how each is verified.

The kernel reads no scheme and no challenge: whoever listens knows them. It only sees to it that what is lent exists.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from .names import PluginId, rule
from .units import Duration, Size

LARGEST_BODY = 448 * 1024
"""Bytes; a call's frame holds no more."""

Word = Annotated[str, rule(r"[a-z][a-z0-9-]*", "a lower-case word such as hmac-sha256")]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Verification(_Table):
    """How requests prove where they come from."""

    scheme: Word
    """A scheme that the listener knows."""
    secrets: dict[Word, str] = {}
    """Keys of `bot_config` by what the scheme calls them. Lent to whoever has the grant `ingress`, and to nobody else."""
    settings: dict[str, Any] = {}
    """Settings of the scheme, such as the name of the header."""


class Route(_Table):
    """One address of each bot, `/<plugin>/<bot>/<name>`, to which its platform sends requests."""

    name: PluginId
    """Last part of its address; unique in the manifest."""
    methods: Annotated[list[Literal["GET", "POST", "PUT", "PATCH", "DELETE"]], Field(min_length=1)] = ["POST"]
    """HTTP methods that are taken."""
    verify: Verification
    """How requests prove where they come from."""
    challenge: Word | None = None
    """How the platform proves the address when it is registered, when the listener answers that by itself."""
    deadline: Annotated[Duration, Field(ge=0.1, le=60.0)] = 3.0
    """Seconds within which the platform must be answered."""
    max_body: Annotated[Size, Field(ge=1, le=LARGEST_BODY)] = 256 * 1024
    """Largest body in bytes."""
    rate: Annotated[float, Field(gt=0, le=10_000)] = 50.0
    """Requests per second of one bot, twice as many at once; above it they are refused with 429."""
