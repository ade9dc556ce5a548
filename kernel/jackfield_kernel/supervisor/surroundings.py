"""What the supervisor needs of the rooms around it, as interfaces they implement."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from ..paths import DataPaths
from .follower import LogLine
from .launcher import Launcher
from .limits import Limiter
from .policy import RestartRules
from .state import Reason, State

Listener = Callable[[str, State, Reason], None]


@dataclass(frozen=True)
class Endpoint:
    """Where one plugin dials the kernel, and the secret that proves who it is until its first attach."""

    address: str
    secret: str


class EndpointOpener(Protocol):
    """The session room's door for the supervisor."""

    async def open(self, plugin: str, *, external: bool) -> Endpoint:
        """Start to listen for the plugin with a new secret; called before each start.

        `external`: someone else starts it, so an earlier process may still be there and go on with what it has.
        """
        ...

    async def reopen(self, plugin: str) -> bool:
        """Listen for a process that an earlier kernel started. False when nothing is known by which it could prove
        that it is the plugin.
        """
        ...

    async def close(self, plugin: str) -> None:
        """Stop listening and end what is left of the plugin's streams; called after each end, also without a
        start.

        When it returned, no call about the old process may reach the supervisor any more.
        """
        ...


class Link(Protocol):
    """The attached control stream of one plugin."""

    def goaway(self, reason: str, deadline: float) -> None:
        """Ask the plugin to finish within `deadline` seconds and leave. Returns at once; never raises."""
        ...

    def closed(self) -> bool:
        """Return True when the stream has ended."""
        ...


@dataclass(frozen=True)
class Timing:
    """Bounds of the supervisor, in seconds but for the counts `missed` (heartbeats) and `starts` (at a time)."""

    register: float = 10.0
    heartbeat: float = 2.0
    missed: int = 3
    drain: float = 10.0
    upgrade: float = 30.0
    term: float = 3.0
    sweep: float = 0.5
    log_step: float = 0.25
    starts: int = 8
    start_patience: float = 3.0


@dataclass(frozen=True)
class Surroundings:
    """What every plugin's life uses. `clock` is monotonic seconds, `dice` a number in [0, 1).

    `may_use_network` says whether a plugin was granted the network.
    """

    paths: DataPaths
    endpoints: EndpointOpener
    launchers: Mapping[str, Launcher]
    environ: Mapping[str, str]
    clock: Callable[[], float]
    dice: Callable[[], float]
    log: Callable[[LogLine], None]
    kernel_version: str
    contract_versions: Sequence[int] = (1,)
    timing: Timing = field(default_factory=Timing)
    rules: RestartRules = field(default_factory=RestartRules)
    extra_environment: Mapping[str, str] = field(default_factory=dict)
    limiter: Limiter = field(default_factory=Limiter)
    may_use_network: Callable[[str], bool] = lambda plugin: False
