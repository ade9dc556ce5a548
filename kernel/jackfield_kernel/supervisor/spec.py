"""What the supervisor is told about one plugin, and what it tells about it."""

from __future__ import annotations

import sys
from collections.abc import Container
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..config import KernelConfig, PluginEntry
from ..manifest import Limits, Manifest
from .discovery import Found
from .state import Reason, State

EXTERNAL = "external"
"""Launcher name of a plugin that someone else starts: `run: {remote: true}`, or a developer's IDE."""

ISOLATED, PRELOADED = "isolated", "preloaded"

OTHER_SLOT = "~2"
"""Ends the names of what belongs to the second generation of a plugin; no plugin id has such a sign in it."""

DISABLED = Reason("DISABLED", "It is switched off.")


@dataclass(frozen=True)
class PluginSpec:
    """One plugin to run.

    Without a manifest, `error` says why it cannot; `hold` says why it is not started.
    """

    name: str
    manifest: Manifest | None
    origin: str
    launcher: str = "process"
    python_path: Path | None = None
    hold: Reason | None = None
    error: Reason | None = None
    place: Path | None = None
    """The folder that holds it, when it is not installed in the kernel's own environment."""
    limits: Limits = field(default_factory=Limits)
    """What the operator set; the manifest's and the launcher's own stand behind it."""
    slot: str = ""
    """Tells the two generations of a plugin apart while both run: empty or OTHER_SLOT."""
    successor: bool = False
    """Starts while another generation still serves: its ports and bots become free only when that one hands them over."""
    watched: bool = True
    """False: missing heartbeats do not end it while it is connected, for a debugger may hold it."""

    @property
    def instance(self) -> str:
        """Name of the generation: what its socket, bootstrap file and process record are called."""
        return self.name + self.slot


@dataclass(frozen=True)
class PluginSnapshot:
    """Everything `plugin list` and `plugin show` say about one plugin. Times are seconds."""

    name: str
    version: str
    kind: str
    origin: str
    boundary: str
    state: State
    reason: Reason
    ready: bool
    session: str | None
    pid: int | None
    since: float
    starts: int
    next_start_in: float | None
    addresses: tuple[tuple[str, str], ...]
    last_exit: Reason | None
    last_lines: tuple[str, ...]
    launcher: str
    gaps: tuple[str, ...]
    """What nothing keeps it from, a phrase each."""


def beside(spec: PluginSpec) -> PluginSpec:
    """The spec of another generation of the plugin that `spec` describes."""
    return replace(spec, slot="" if spec.slot else OTHER_SLOT, successor=True)


def plugin_of(instance: str) -> str:
    """The plugin id of an instance."""
    return instance.removesuffix(OTHER_SLOT)


def plan(
    found: Found, config: KernelConfig, approved: Container[str], vouched: Container[str] = ()
) -> PluginSpec:
    """Turn what was found into what to run.

    `approved` holds the names whose grants the operator answered yes to, `vouched` those that the operator said are to
    be trusted although nothing else says so.
    """
    entry = config.settings.plugins.get(found.name, PluginEntry())
    if found.manifest is None:
        error = found.error
        reason = error.reason if error else "MANIFEST_MISSING"
        text, remedy = (error.message, error.remedy) if error else ("", "")
        return PluginSpec(found.name, None, found.origin, error=Reason(reason, text, remedy))
    hold = None
    if not entry.enabled:
        hold = Reason("DISABLED", "It is switched off.", f"Set plugins.{found.name}.enabled to true.")
    elif not found.trusted and found.name not in config.settings.plugins and found.name not in approved:
        text = "Nobody approved the grants it asks for."
        hold = Reason("NEEDS_APPROVAL", text, f"Run `jackfield plugin enable {found.name}`.")
    trusted = found.trusted or found.name in config.settings.plugins or found.name in vouched
    return PluginSpec(
        found.name,
        found.manifest,
        found.origin,
        launcher_of(found.manifest, found.python_path, entry.launcher, trusted=trusted),
        found.python_path,
        hold,
        place=found.place,
        limits=entry.limits,
    )


def launcher_of(manifest: Manifest, python_path: Path | None, chosen: str | None, *, trusted: bool) -> str:
    """Name the launcher of a plugin: the operator's choice, a sandbox for strangers, and the fastest for the rest."""
    if manifest.run.remote:
        return EXTERNAL
    if chosen is not None:
        return chosen
    if not trusted:
        return ISOLATED
    return PRELOADED if manifest.run.python and python_path is None and sys.platform == "linux" else "process"
