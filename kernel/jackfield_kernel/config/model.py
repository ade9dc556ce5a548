"""The keys of `jackfield.yaml`; these docstrings are their reference."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from ..manifest import Duration, Limits, Size


class Section(BaseModel):
    """Base of every table. Unknown keys are left out here and reported as warnings by the loader."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class PluginEntry(Section):
    """One plugin under `plugins:`; being listed here also approves the grants its manifest asks for."""

    enabled: bool = True
    """False: it is known and does not run."""
    config: dict[str, Any] = {}
    """Its configuration, by the `config` schema of its manifest."""
    directory: Path | None = None
    """Folder that holds the plugin, when it is not installed; relative to jackfield.yaml."""
    launcher: str | None = None
    """`preloaded`, `process` or `isolated`, or one that an extension adds; when absent what it is decides: see security.md."""
    limits: Limits = Limits()
    """Bounds of its whole tree (`memory`, `cpu` in cores, `pids`, `files`), each instead of its manifest's."""


class BotEntry(Section):
    """One bot under `bots:`."""

    adapter: str | None = None
    """Name of the adapter plugin; may be absent for a bot that exists by default."""
    enabled: bool = True
    """False: it is known and not opened."""
    config: dict[str, Any] = {}
    """Its configuration, by the `bot_config` schema of its adapter's manifest."""


class Metrics(Section):
    """The kernel's only HTTP listener: metrics, /healthz and /readyz."""

    enabled: bool = True
    """False: no HTTP at all."""
    host: str = "127.0.0.1"
    """Address to listen on; nothing there asks for a password."""
    port: Annotated[int, Field(ge=0, le=65535)] = 8422
    """Port to listen on; 0 takes a free one."""


class Log(Section):
    """The kernel's own log."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """Lines below it are dropped, those of plugins too."""
    format: Literal["text", "json"] = "text"
    """How stderr is written: short lines for people, or one JSON object per line. `kernel.log` is always JSON."""


class Journal(Section):
    """The durable record of events."""

    retention: Duration = 7 * 86400.0
    """How long settled events stay, in seconds."""
    dead_letters: Duration = 30 * 86400.0
    """How long dead letters stay, in seconds; 0 for ever. Counts from when each one was given up."""
    audit: Duration = 90 * 86400.0
    """How long the audit trail stays, in seconds."""
    max_bytes: Size = 0
    """Most bytes of the journal's file; above it nothing is acknowledged until there is room. 0 for no bound."""


class Blobs(Section):
    """Media and other large values of plugins."""

    max_bytes: Size = 10 * 1024**3
    """Most bytes of all blobs together; above it new ones are refused. 0 for no bound."""


class Secrets(Section):
    """Where secrets are kept."""

    store: str = "embedded"
    """`embedded`: sealed in the journal; or the name of a store that an extension provides."""
    key_file: Path | None = None
    """File with the key of the embedded store, relative to jackfield.yaml; `secret.key` in the data directory when absent."""
    settings: dict[str, Any] = {}
    """What an extension's store is made with."""


class KernelLimits(Section):
    """Bounds that keep one plugin or one conversation from exhausting the kernel."""

    lane_ready: Annotated[int, Field(gt=0)] = 256
    """Deliveries that may wait in one lane before the next is dropped."""
    open_events: Annotated[int, Field(gt=0)] = 100_000
    """Events that are not settled, of all bots together; a bot above its share of them has to wait."""
    open_bytes: Size = 256 << 20
    """The same in bytes of events."""
    register_deadline: Duration = 10.0
    """Seconds a started plugin has to register."""
    drain: Duration = 10.0
    """Seconds a plugin has to finish after it was asked to stop."""
    crash_starts: Annotated[int, Field(ge=0)] = 3
    """Starts within a minute that follow a crash of the kernel, from which on nothing is leased for a minute; 0: never."""


class Settings(Section):
    """Everything `jackfield.yaml` may say."""

    plugins: dict[str, PluginEntry] = {}
    """Plugins by name."""
    discover: bool = True
    """Use every plugin installed in the kernel's environment; false: only those listed under `plugins`."""
    plugin_dirs: list[Path] = []
    """Folders searched for plugin folders; relative to jackfield.yaml."""
    bots: dict[str, BotEntry] = {}
    """Bots by name."""
    routes: dict[str, Any] = {}
    """Rules per bot, used when no router plugin pushes a table."""
    metrics: Metrics = Metrics()
    """See below."""
    log: Log = Log()
    """See below."""
    journal: Journal = Journal()
    """See below."""
    blobs: Blobs = Blobs()
    """See below."""
    secrets: Secrets = Secrets()
    """See below."""
    limits: KernelLimits = KernelLimits()
    """See below."""
