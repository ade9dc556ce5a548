"""What every launcher does; `process` is one, extensions may add others."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from ..manifest import Limits


@dataclass(frozen=True)
class LaunchSpec:
    """Everything a launcher needs.

    `env` is the whole environment; `mark` stands in it and in every descendant's. `address` is where the plugin
    dials the kernel, `code` the folder that holds it unless it is installed in our own environment, `network`
    whether it was granted the network.
    """

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    cwd: Path
    log_path: Path
    bootstrap_path: Path
    limits: Limits
    address: str = ""
    code: Path | None = None
    network: bool = False


@dataclass(frozen=True)
class Exit:
    """How a process ended: `code` when it exited, `signal` when it was killed; both None when nobody can
    know.

    `by_us` is True when this kernel asked or forced it to end, `out_of_memory` when the OOM killer did.
    """

    code: int | None
    signal: int | None
    by_us: bool = False
    out_of_memory: bool = False

    def __str__(self) -> str:
        if self.out_of_memory:
            return "killed for using too much memory"
        if self.signal is not None:
            try:
                return f"killed by {signal.Signals(self.signal).name}"
            except ValueError:
                return f"killed by signal {self.signal}"
        return f"exit code {self.code}" if self.code is not None else "ended"


def effective(*layers: Limits) -> Limits:
    """Return the limits in force: of each the first that is set."""
    merged: dict[str, Any] = {}
    for layer in layers:
        merged = {**layer.model_dump(exclude_none=True), **merged}
    return Limits(**merged)


class Running(Protocol):
    """A started plugin."""

    @property
    def pid(self) -> int:
        """Its process id; only together with `start_time` an identity."""
        ...

    @property
    def start_time(self) -> float:
        """When it started, Unix time in seconds as the operating system reports it."""
        ...

    @property
    def gone(self) -> bool:
        """Whether the plugin's main process has ended."""
        ...

    async def wait(self) -> Exit:
        """Return how the plugin's main process ended; may be awaited any number of times, also afterwards."""
        ...

    async def kill(self, grace: float) -> None:
        """End the whole tree: TERM, up to `grace` seconds, then KILL. Returns when nothing of it is left.

        Also called after the main process ended, to end what it left behind. Never raises for what is already
        gone.
        """
        ...

    def diagnose(self) -> str:
        """Say in one line what the process is doing, for a person who reads why it was given up."""
        ...


class Launcher(Protocol):
    """Starts plugins in one way."""

    @property
    def boundary(self) -> str:
        """What separates the plugin from the kernel, as `plugin list` shows it; such as `trusted process`."""
        ...

    @property
    def gaps(self) -> tuple[str, ...]:
        """What it does not keep a plugin from, a phrase each, as `plugin show` lists them."""
        ...

    @property
    def defaults(self) -> Limits:
        """Limits of a plugin for which neither the operator nor its manifest sets any."""
        ...

    def explain(self, plugin: str) -> str:
        """Say why the plugin was last started in another way than this launcher's own; empty when it was not."""
        ...

    async def start(self, spec: LaunchSpec) -> Running:
        """Start the plugin and return at once, ready or not. Raises LaunchFailed."""
        ...
