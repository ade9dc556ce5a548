"""What is installed and configured, in the forms that the broker, intake, sessions and plugins ask for it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.json_format import ParseDict
from google.protobuf.struct_pb2 import Struct
from jackfield.v1 import kernel_pb2

from ..broker.call import Peer
from ..broker.grants import Grants
from ..config import KernelConfig, Resolved, resolve_plugin_config
from ..errors import Refused, problem
from ..journal.journal import Journal
from ..journal.log import LogDriver, Put
from ..journal.reading import every
from ..manifest import Manifest
from ..state.quotas import Quota
from ..state.secrets import SecretStore
from ..supervisor import PluginSnapshot
from ..supervisor.spec import plugin_of
from ..telemetry.redaction import Redactor
from .bots import Bots
from .hub import Admitted
from .values import plain_struct

GRANTS_BUCKET = "grants"

OFF = {"DISABLED", "NOT_CONFIGURED", "NEEDS_APPROVAL"}
"""Reasons of a plugin that is not meant to run."""


@dataclass(slots=True)
class Installed:
    """One plugin with a readable manifest."""

    manifest: Manifest
    trusted: bool
    config: Resolved
    raw: Struct
    version: int = 1
    grants: Grants = field(default_factory=lambda: Grants(()))


class Registry:
    """Plugins by id, their grants and configuration.

    A plugin of the kernel's own environment, or one that the file lists, gets what its manifest asks for; any other gets what the
    operator approved. What the operator set by hand goes first.
    """

    def __init__(
        self,
        config: KernelConfig,
        environ: Mapping[str, str],
        journal: Journal,
        driver: LogDriver,
        secrets: SecretStore,
        redactor: Redactor,
    ) -> None:
        self._secrets = secrets
        self._redactor = redactor
        self.plugins: dict[str, Installed] = {}
        self.bots: Bots | None = None
        self.snapshots: Callable[[], Iterable[PluginSnapshot]] = tuple
        self.sessions: Callable[[str], Peer | None] = lambda plugin: None
        self._config = config
        self._environ = environ
        self._journal = journal
        self._driver = driver
        self._aside: dict[str, Installed] = {}
        """Generations that do not serve, by instance: the new one before it takes over, the old one until it is gone."""
        self._set: dict[str, tuple[str, ...]] = {}
        self._providers: dict[str, list[str]] = {}
        self._watchers: list[Callable[[int], None]] = []
        self._version = 0

    async def load(self) -> None:
        """Read the grants that the operator set."""
        async for plugin, entry in every(self._driver, GRANTS_BUCKET):
            self._set[plugin] = tuple(json.loads(entry.value))

    def approved(self) -> set[str]:
        """Plugins whose grants the operator answered."""
        return set(self._set)

    def add(self, manifest: Manifest, *, trusted: bool) -> Installed:
        """Make a plugin known, or replace what is known of it."""
        installed = self.plugins[manifest.name] = self._installed(manifest, trusted=trusted)
        self._index()
        return installed

    def _installed(self, manifest: Manifest, *, trusted: bool) -> Installed:
        entry = self._config.settings.plugins.get(manifest.name)
        resolved = resolve_plugin_config(
            manifest, entry.config if entry else {}, {}, self._environ, secret_of=self.secret_of
        )
        self._redactor.hold(f"plugin {manifest.name}", resolved.secret_values())
        raw = Struct()
        ParseDict(manifest.model_dump(mode="json", by_alias=True, exclude_none=True), raw)
        earlier = self.plugins.get(manifest.name)
        installed = Installed(
            manifest, trusted or entry is not None, resolved, raw, earlier.version + 1 if earlier else 1
        )
        installed.grants = self._grants(installed)
        return installed

    def secret_of(self, name: str) -> str | None:
        """The value of an operator's secret."""
        secret = self._secrets.all().get(name)
        return secret.value if secret is not None else None

    def quota_of(self, plugin: str) -> Quota:
        """What a plugin may keep as key-value entries."""
        installed = self.plugins.get(plugin)
        granted = installed.grants.kv_bytes if installed else 0
        return Quota(bytes=granted) if granted else Quota()

    def prepare(self, manifest: Manifest, instance: str, *, trusted: bool) -> None:
        """Know what a generation of a plugin is that does not serve yet."""
        self._aside[instance] = self._installed(manifest, trusted=trusted)

    def swap(self, plugin: str, new: str, old: str) -> None:
        """The generation `new` serves, `old` is known until it is dropped."""
        self._aside[old] = self.plugins[plugin]
        self.plugins[plugin] = self._aside.pop(new)
        self._index()

    def drop(self, instance: str) -> None:
        """A generation ended for good."""
        self._aside.pop(instance, None)

    def forget(self, plugin: str) -> None:
        """Remove a plugin."""
        self.plugins.pop(plugin, None)
        self._index()

    def _index(self) -> None:
        self._providers = {}
        for name, installed in sorted(self.plugins.items()):
            for service in installed.manifest.provides.services:
                self._providers.setdefault(service, []).append(name)
        self.changed()

    def _grants(self, installed: Installed) -> Grants:
        chosen = self._set.get(installed.manifest.name)
        if chosen is not None:
            return Grants(chosen)
        return Grants(installed.manifest.grants if installed.trusted else ())

    def set_grants(self, plugin: str, grants: Iterable[str]) -> Grants:
        """Replace a plugin's grants. Raises Refused for one that its manifest does not ask for."""
        installed = self.installed_plugin(plugin)
        chosen = tuple(sorted(set(grants)))
        unknown = [grant for grant in chosen if grant not in installed.manifest.grants]
        if unknown:
            raise Refused(
                "INVALID_ARGUMENT",
                f"{plugin} does not ask for {', '.join(unknown)}",
                remedy=f"Its manifest asks for: {', '.join(installed.manifest.grants) or 'nothing'}.",
                field="grants",
            )
        self.approve(plugin, chosen)
        installed.grants = self._grants(installed)
        return installed.grants

    def approve(self, plugin: str, grants: Iterable[str]) -> None:
        """Keep what the operator answered; in force for a generation that is made known afterwards."""
        chosen = tuple(sorted(set(grants)))
        self._set[plugin] = chosen
        self._journal.put(Put(GRANTS_BUCKET, plugin, json.dumps(chosen).encode()))

    def installed_plugin(self, plugin: str) -> Installed:
        """A plugin with a readable manifest. Raises Refused NOT_FOUND."""
        installed = self.plugins.get(plugin)
        if installed is None:
            raise Refused(
                "NOT_FOUND", f"there is no plugin {plugin!r}", remedy="See `jackfield plugin list`."
            )
        return installed

    def may_use_network(self, instance: str) -> bool:
        """Whether this generation of a plugin was granted the network."""
        installed = self._aside.get(instance) or self.plugins.get(plugin_of(instance))
        return installed is not None and installed.grants.has("network")

    def admit(self, instance: str) -> Admitted | None:
        """What a session of this generation of a plugin begins with."""
        installed = self._aside.get(instance) or self.plugins.get(plugin_of(instance))
        if installed is None:
            return None
        config = plain_struct(installed.config.values)
        return Admitted(installed.manifest.digest, installed.grants, config, installed.version)

    # The broker's directory.

    def adapter_of(self, bot: str) -> str | None:
        """Plugin id of a bot's adapter."""
        return self.bots.adapter_of(bot) if self.bots is not None else None

    def provider_of(self, service: str) -> list[str]:
        """Plugin ids that provide a service."""
        return self._providers.get(service, [])

    def peer(self, plugin: str, bot: str = "") -> Peer | None:
        """The session of a plugin that can take calls; with `bot` the one that has it open."""
        if bot:
            return self.bots.open_on(bot) if self.bots is not None else None
        return self.sessions(plugin)

    # Intake.

    def platform_of(self, plugin: str) -> str:
        """Platform of an adapter; empty for other plugins."""
        installed = self.plugins.get(plugin)
        return (installed.manifest.provides.platform or "") if installed else ""

    def dedup_horizon(self, plugin: str) -> float:
        """Seconds for which its platform may deliver an update again."""
        installed = self.plugins.get(plugin)
        return (installed.manifest.provides.dedup_horizon or 0.0) if installed else 0.0

    def liveness_bound(self, plugin: str) -> float | None:
        """Seconds within which an adapter's bots hear from their platform; None when its manifest declares nothing."""
        installed = self.plugins.get(plugin)
        liveness = installed.manifest.provides.liveness if installed else None
        return liveness.within if liveness else None

    # The catalog.

    def installed(self, plugin: str) -> bool:
        """Whether there is such a plugin."""
        return plugin in self.plugins

    def names(self) -> set[str]:
        """All plugin ids."""
        return set(self.plugins)

    def secret(self, plugin: str, name: str) -> str | None:
        """A secret key of the plugin's own configuration, else the operator's secret of that name."""
        installed = self.plugins.get(plugin)
        value = installed.config.values.get(name) if installed and name in installed.config.secrets else None
        return str(value) if value is not None else self.secret_of(name)

    def lent(self, bot: str, key: str) -> str | None:
        """A key of a bot's configuration that a route of its adapter lends; None for any other, and when it is not set."""
        known = self.bots.bots.get(bot) if self.bots is not None else None
        adapter = self.plugins.get(known.spec.adapter) if known is not None else None
        if known is None or adapter is None or key not in adapter.manifest.lent:
            return None
        value = known.spec.config.values.get(key)
        return None if value in (None, "") else str(value)

    def describe(self) -> kernel_pb2.GetCatalogResponse:
        """Plugins and bots now."""
        response = kernel_pb2.GetCatalogResponse()
        for snapshot in self.snapshots():
            installed = self.plugins.get(snapshot.name)
            response.plugins.add(
                name=snapshot.name,
                version=snapshot.version,
                kind=snapshot.kind,
                state=snapshot.state.value,
                reason="" if snapshot.state.value == "ACTIVE" else str(snapshot.reason),
                manifest=installed.raw if installed else None,
                off=snapshot.state.value == "STOPPED" and snapshot.reason.name in OFF,
            )
        for name, bot in sorted(self.bots.bots.items() if self.bots else ()):
            response.bots.add(
                name=name,
                adapter=bot.spec.adapter,
                platform=bot.spec.platform,
                enabled=bot.spec.enabled,
                state=bot.state,
                reason=bot.reason.message if bot.reason else "",
                source=source_of(bot.spec.source),
            )
        return response

    def watch(self, change: Callable[[int], None]) -> Callable[[], None]:
        """Call `change` now and after each change."""
        self._watchers.append(change)
        change(self._version)

        def stop() -> None:
            if change in self._watchers:
                self._watchers.remove(change)

        return stop

    def changed(self) -> None:
        """Plugins or bots changed."""
        self._version += 1
        for watcher in tuple(self._watchers):
            watcher(self._version)

    def problems(self) -> list[Any]:
        """Plugins whose configuration does not fit."""
        found = []
        for name, installed in sorted(self.plugins.items()):
            for one in installed.config.problems:
                found.append(
                    problem(
                        "CONFIG_INVALID", f"{name}: {one.key}: expected {one.expected}", remedy=one.remedy
                    )
                )
        return found


def source_of(source: str) -> str:
    """How listings name where a bot comes from."""
    return "manifest" if source == "default" else source
