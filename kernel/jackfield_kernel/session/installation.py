"""What is installed: discovery at start, and the operator's verbs that change it."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from ..config import BotEntry, BotSpec, KernelConfig, resolve_bots
from ..errors import Refused
from ..hooks import Hooks
from ..journal.journal import Journal
from ..journal.log import LogDriver, Put, Unit
from ..journal.reading import every
from ..manifest import Manifest, Problem, Restart, load_manifest
from ..state.secrets import SecretStore
from ..supervisor import Candidate, Found, PluginSource, Reason, Supervisor, builtin_sources, discover, plan
from ..supervisor.discovery import manifest_in, python_path_of
from ..supervisor.spec import DISABLED, EXTERNAL, ISOLATED, PluginSpec, launcher_of
from ..telemetry.redaction import Redactor
from .bots import Bots
from .registry import Registry
from .sealed import seal, sealed_name
from .upgrade import Step, Upgrades

log = logging.getLogger(__name__)

INSTALLED_BUCKET = "installed"
DISABLED_BUCKET = "disabled"
TRUSTED_BUCKET = "trusted"
BOTS_BUCKET = "bots"
EARLIER_BUCKET = "earlier"
"""Where a plugin stood before its last upgrade, for the way back."""

NO_BOTS = "NO_BOTS"
"""Name of the reason of a plugin that waits for the first bot that needs it."""

INGRESS = "ingress"
"""The grant of plugins that take webhooks for others; without a bot that has routes there is nothing to take."""

UNTIL_RESTARTED = Restart(backoff=86_400.0, backoff_max=86_400.0)
"""A developer's plugin that cannot start waits to be mended instead of failing again and again."""


class AdminSource:
    """Plugins that the operator installed from a directory: chosen, but strangers until their grants are approved."""

    def __init__(self, folders: Mapping[str, Path]) -> None:
        self._folders = folders

    def find(self) -> Iterable[Candidate]:
        """One candidate per directory."""
        for name, place in self._folders.items():
            yield Candidate(
                name, f"folder {place}", manifest_in(place), trusted=False, chosen=True, place=place
            )


class Installation:
    """Plugins and bots that exist because of the environment, the file, manifests, or the operator."""

    def __init__(
        self,
        config: KernelConfig,
        environ: Mapping[str, str],
        hooks: Hooks,
        registry: Registry,
        supervisor: Supervisor,
        bots: Bots,
        upgrades: Upgrades,
        driver: LogDriver,
        journal: Journal,
        secrets: SecretStore,
        redactor: Redactor,
    ) -> None:
        self._secrets = secrets
        self._redactor = redactor
        self._config = config
        self._environ = environ
        self._hooks = hooks
        self._registry = registry
        self._supervisor = supervisor
        self._bots = bots
        self._upgrades = upgrades
        self._driver = driver
        self._journal = journal
        self._folders: dict[str, Path] = {}
        self._earlier: dict[str, Path] = {}
        self._disabled: set[str] = set()
        self._vouched: set[str] = set()
        """Strangers' plugins that the operator trusts."""
        self._admin_bots: dict[str, BotEntry] = {}
        self._resting: set[str] = set()
        """Adapters that lost their last bot; one may still be ending when the next bot comes."""
        self._developed: dict[str, bool] = {}
        """Plugins of developers, by id; True for those that the developer starts."""

    async def load(self) -> None:
        """Read what the operator changed in earlier runs."""
        async for name, entry in every(self._driver, INSTALLED_BUCKET):
            self._folders[name] = Path(entry.value.decode())
        async for name, entry in every(self._driver, EARLIER_BUCKET):
            self._earlier[name] = Path(entry.value.decode())
        await self._upgrades.load(self._driver)
        async for name, _ in every(self._driver, DISABLED_BUCKET):
            self._disabled.add(name)
        async for name, _ in every(self._driver, TRUSTED_BUCKET):
            self._vouched.add(name)
        async for name, entry in every(self._driver, BOTS_BUCKET):
            self._admin_bots[name] = BotEntry.model_validate_json(entry.value)

    # Plugins --------------------------------------------------------------------------------------------------------

    def discover(self) -> None:
        """Find plugins, supervise the new ones, and settle which bots exist."""
        sources: list[PluginSource] = [
            AdminSource(self._folders),
            *builtin_sources(self._config),
            *self._hooks.plugin_sources(self._config),
        ]
        known = {snapshot.name for snapshot in self._supervisor.snapshot()}
        specs = [self._planned(found) for found in discover(sources) if found.name not in known]
        self.settle_bots()
        for spec in specs:
            self._upgrades.supervise(self._unless_idle(spec))

    def _planned(self, found: Found) -> PluginSpec:
        problems: tuple[Problem, ...] = ()
        if found.manifest is not None:
            problems = self._registry.add(found.manifest, trusted=found.trusted).config.problems
        spec = plan(found, self._config, self._registry.approved(), self._vouched)
        if spec.hold is None and spec.error is None and found.name in self._disabled:
            spec = replace(spec, hold=DISABLED)
        if problems and spec.error is None:
            text = "; ".join(f"{one.key}: expected {one.expected}" for one in problems)
            remedy = " ".join(one.remedy for one in problems)
            if spec.name not in self._config.settings.plugins:
                # Nobody asked for it: a plugin of the environment that does nothing unconfigured is no fault.
                spec = replace(spec, hold=spec.hold or Reason("NOT_CONFIGURED", text, remedy))
            else:
                spec = replace(spec, error=Reason("CONFIG_INVALID", text, remedy))
        return replace(spec, slot=self._upgrades.slots.get(found.name, ""))

    def _unless_idle(self, spec: PluginSpec) -> PluginSpec:
        """A plugin that nobody needs yet would be a process for nothing: it waits for its first bot."""
        if self._needed(spec.manifest) or spec.hold is not None or spec.error is not None:
            return spec
        return replace(spec, hold=_idle(spec))

    def _needed(self, manifest: Manifest | None) -> bool:
        """Whether a plugin has something to do: an adapter has a bot, an ingress an adapter with routes that has one."""
        if manifest is None or (manifest.kind != "adapter" and INGRESS not in manifest.grants):
            return True
        if manifest.kind == "adapter":
            return self._bots.used(manifest.name)
        return any(
            installed.manifest.provides.routes and self._bots.used(name)
            for name, installed in self._registry.plugins.items()
        )

    def install(self, place: Path) -> str:
        """Make the plugin in a directory known; returns its id. Raises ManifestInvalid, Refused."""
        path = manifest_in(place) if place.is_dir() else None
        if path is None:
            raise Refused(
                "NOT_FOUND",
                f"there is no jackfield-plugin.yaml in {place}",
                remedy="Name the directory of a plugin.",
            )
        manifest = load_manifest(path)
        if manifest.name in {snapshot.name for snapshot in self._supervisor.snapshot()}:
            raise Refused(
                "CONFLICT",
                f"a plugin {manifest.name} is installed already",
                remedy=f"jackfield plugin remove {manifest.name}",
                key=manifest.name,
            )
        self._folders[manifest.name] = place
        self._journal.put(Put(INSTALLED_BUCKET, manifest.name, str(place).encode()))
        self.discover()
        return manifest.name

    async def remove(self, name: str) -> None:
        """Forget a plugin that `install` made known. Raises Refused, UnknownPlugin."""
        self._supervisor.plugin(name)
        if name not in self._folders:
            raise Refused(
                "CONFIG_PINNED",
                f"plugin {name} was not installed by `jackfield plugin install`",
                remedy="Uninstall its package, or remove it from jackfield.yaml; or disable it.",
                source="environment or file",
            )
        await self._supervisor.remove(name)
        del self._folders[name]
        self._journal.put(Put(INSTALLED_BUCKET, name, None))
        # Trust was in these files, not in whatever gets the name next.
        self._vouched.discard(name)
        self._journal.put(Put(TRUSTED_BUCKET, name, None))
        self._upgrades.forget(name)
        self._registry.forget(name)
        self.settle_bots()

    async def enable(self, name: str, *, approve: bool) -> bool:
        """Start a plugin; False when its grants wait for an approval. Raises UnknownPlugin, CannotStart."""
        snapshot = self._supervisor.plugin(name)
        if snapshot.reason.name == "NEEDS_APPROVAL":
            if not approve:
                return False
            manifest = self._registry.installed_plugin(name).manifest
            self._registry.set_grants(name, manifest.grants)
        self._disabled.discard(name)
        self._journal.put(Put(DISABLED_BUCKET, name, None))
        await self._supervisor.enable(name)
        return True

    async def disable(self, name: str) -> None:
        """Stop a plugin until it is enabled. Raises UnknownPlugin."""
        self._supervisor.plugin(name)
        self._disabled.add(name)
        self._journal.put(Put(DISABLED_BUCKET, name, b"1"))
        await self._supervisor.disable(name)

    async def network_changed(self, name: str) -> None:
        """The grant of the network came or went: a sandbox has it or not from its start on. Raises UnknownPlugin."""
        spec = self._supervisor.spec(name)
        if spec.launcher == ISOLATED:
            await self._supervisor.change(name, spec)

    async def trust(self, name: str, *, trusted: bool) -> None:
        """Run a stranger's plugin with the kernel's own rights, or in a sandbox again; restarts it when it runs.

        Raises UnknownPlugin, Refused CONFIG_PINNED for a plugin that is trusted by where it comes from.
        """
        spec = self._supervisor.spec(name)
        installed = self._registry.installed_plugin(name)
        entry = self._config.settings.plugins.get(name)
        if installed.trusted:
            file = entry is not None
            raise Refused(
                "CONFIG_PINNED",
                f"plugin {name} is trusted: it is {'listed in jackfield.yaml' if file else spec.origin}",
                remedy=f"Set plugins.{name}.launcher to isolated in jackfield.yaml to run it in a sandbox.",
                source="file" if file else "environment",
            )
        (self._vouched.add if trusted else self._vouched.discard)(name)
        self._journal.put(Put(TRUSTED_BUCKET, name, b"1" if trusted else None))
        log.warning("the operator %s plugin %s", "trusts" if trusted else "no longer trusts", name)
        launcher = launcher_of(installed.manifest, spec.python_path, None, trusted=trusted)
        if launcher != spec.launcher:
            await self._supervisor.change(name, replace(spec, launcher=launcher))

    async def upgrade(
        self, name: str, place: Path | None, *, back: bool, approve: bool, step: Step
    ) -> tuple[str, ...]:
        """Bring a plugin's present files, another directory, or with `back` the directory before it, into service.

        Returns the grants that it asks for beyond those it has, when they are not approved: nothing was done then. Raises what
        `Upgrades.run` raises, ManifestInvalid, Refused.
        """
        known, spec = self._registry.installed_plugin(name), self._supervisor.spec(name)
        if back:
            place = self._earlier.get(name)
            if place is None:
                raise Refused("NOT_FOUND", f"{name} was not upgraded from another directory", remedy="")
        if place is not None and name not in self._folders:
            raise Refused(
                "CONFIG_PINNED",
                f"plugin {name} was not installed by `jackfield plugin install`",
                remedy=f"Change its package or jackfield.yaml, then run `jackfield plugin upgrade {name}`.",
                source="environment or file",
            )
        path = known.manifest.path if place is None else manifest_in(place)
        if path is None:
            raise Refused("NOT_FOUND", f"there is no jackfield-plugin.yaml in {place}")
        manifest = load_manifest(path)
        if manifest.name != name:
            raise Refused(
                "CONFLICT", f"{path}: name: expected {name}", remedy="Install it beside.", key="name"
            )
        more = tuple(grant for grant in manifest.grants if grant not in known.grants.names)
        if more and not known.trusted:
            if not approve:
                return more
            self._registry.approve(name, (*known.grants.names, *more))
        python_path = python_path_of(manifest) if spec.python_path is not None else None
        origin = f"folder {place}" if place is not None else spec.origin
        at = place or spec.place
        spec = replace(spec, manifest=manifest, python_path=python_path, origin=origin, place=at, error=None)
        await self._upgrades.run(manifest, spec, trusted=known.trusted, step=step)
        if place is not None and place != self._folders[name]:
            self._earlier[name], self._folders[name] = self._folders[name], place
            self._journal.put(Put(EARLIER_BUCKET, name, str(self._earlier[name]).encode()))
            self._journal.put(Put(INSTALLED_BUCKET, name, str(place).encode()))
        self.settle_bots()
        return ()

    async def develop(self, manifest: Manifest, *, external: bool, replace: bool) -> None:
        """Supervise a plugin for a developer; trusted. Raises Refused CONFLICT for a name that is taken."""
        name = manifest.name
        if name in self._developed:
            raise Refused(
                "CONFLICT",
                f"a plugin {name} is being developed already",
                remedy="End the other `jackfield dev` or `jackfield chat`, or give yours another name.",
                key=name,
            )
        self._developed[name] = external
        try:
            await self._take_name(name, replace=replace)
        except BaseException:
            del self._developed[name]
            raise
        self._registry.add(manifest, trusted=True)
        self._upgrades.supervise(_developed_spec(manifest, external=external))
        self.settle_bots()

    async def _take_name(self, name: str, *, replace: bool) -> None:
        if name in {snapshot.name for snapshot in self._supervisor.snapshot()}:
            if not replace:
                raise Refused(
                    "CONFLICT",
                    f"a plugin {name} is installed already",
                    remedy="Give yours another name, or say that it replaces the installed one.",
                    key=name,
                )
            await self._supervisor.remove(name)

    async def end_development(self, name: str) -> None:
        """Forget a developer's plugin; an installed one of the same name comes back."""
        try:
            await self._supervisor.remove(name)
            self._registry.forget(name)
        finally:
            del self._developed[name]
        self.discover()

    async def restart(self, name: str) -> None:
        """Drain a plugin and start it again; a developer's one by its manifest as it is now.

        Raises UnknownPlugin, CannotStart, ManifestInvalid, Refused CONFLICT for another name in the manifest.
        """
        known = self._registry.plugins.get(name)
        if name not in self._developed or known is None or not known.manifest.path.is_absolute():
            await self._supervisor.restart(name)
            return
        manifest = load_manifest(known.manifest.path)
        if manifest.name != name:
            raise Refused(
                "CONFLICT",
                f"{manifest.path}: name: expected {name}, as it was when development began",
                remedy="Start `jackfield dev` anew to change the name.",
                key="name",
            )
        self._registry.add(manifest, trusted=True)
        self.settle_bots()
        await self._supervisor.restart(name, _developed_spec(manifest, external=self._developed[name]))

    # Bots -----------------------------------------------------------------------------------------------------------

    def settle_bots(self) -> None:
        """Work out which bots exist now."""
        specs = self._specs(self._admin_bots)
        self._redactor.hold("bots", [text for spec in specs for text in spec.config.secret_values()])
        self._bots.set(specs)
        for snapshot in self._supervisor.snapshot():
            spec = self._supervisor.spec(snapshot.name)
            if not self._needed(spec.manifest):
                if snapshot.name not in self._developed:
                    self._resting.add(snapshot.name)
                    self._supervisor.rest(snapshot.name, _idle(spec))
            elif snapshot.reason.name == NO_BOTS or snapshot.name in self._resting:
                self._resting.discard(snapshot.name)
                self._supervisor.wake(snapshot.name)

    def _specs(self, admin_bots: Mapping[str, BotEntry]) -> list[BotSpec]:
        manifests = [installed.manifest for installed in self._registry.plugins.values()]
        declared, secret_of = self._config.settings.bots, self._registry.secret_of
        return resolve_bots(manifests, declared, admin_bots, self._environ, secret_of=secret_of)

    async def secrets_changed(self) -> list[str]:
        """Resolve configuration anew. Returns the running plugins that have other values now; bots are opened anew here."""
        changed: list[str] = []
        for name, installed in list(self._registry.plugins.items()):
            before = installed.config
            if not before.references:
                continue
            # Its own manifest still says what it asks for; only what its references lead to may differ now.
            now = self._registry.add(installed.manifest, trusted=installed.trusted).config
            if bool(before.problems) != bool(now.problems) and name not in self._developed:
                await self._supervisor.remove(name)
                self._registry.forget(name)
                self.discover()
            elif before.values != now.values:
                changed.append(name)
        self.settle_bots()
        return changed

    async def seal_kept(self) -> None:
        """Bots that were added before an earlier kernel sealed what it kept, or before their adapter was installed."""
        for name, entry in list(self._admin_bots.items()):
            adapter = self._registry.plugins.get(entry.adapter or "")
            if adapter is not None and seal(name, adapter.manifest, entry.config)[1]:
                await self._keep_bot(name, entry)

    def users_of_secrets(self) -> dict[str, list[str]]:
        """Plugins and bots by the secret that their configuration refers to."""
        users: dict[str, list[str]] = {}
        for name, installed in sorted(self._registry.plugins.items()):
            for secret in installed.config.references:
                users.setdefault(secret, []).append(f"plugin {name}")
        for name, bot in sorted(self._bots.bots.items()):
            for secret in bot.spec.config.references:
                users.setdefault(secret, []).append(f"bot {name}")
        return users

    async def add_bot(self, name: str, entry: BotEntry) -> None:
        """Add a bot; its secrets go into the secret store. Durable on return. Raises Refused CONFLICT, CONFIG_INVALID."""
        if name in self._bots.bots:
            raise Refused(
                "CONFLICT", f"there is a bot {name} already", remedy="Choose another name.", key=name
            )
        specs = self._specs({**self._admin_bots, name: entry})
        spec = next(spec for spec in specs if spec.name == name)
        found = [*spec.problems, *spec.config.problems]
        if found:
            text = "; ".join(f"{one.key}: expected {one.expected}" for one in found)
            raise Refused(
                "CONFIG_INVALID", text, remedy=" ".join(one.remedy for one in found), key=found[0].key
            )
        await self._keep_bot(name, entry)

    async def switch_bot(self, name: str, *, enabled: bool) -> None:
        """Switch a bot on or off. Durable on return. Raises Refused NOT_FOUND, CONFIG_PINNED."""
        self._changeable(name)
        entry = self._admin_bots.get(name, BotEntry(adapter=self._bots.bots[name].spec.adapter))
        await self._keep_bot(name, entry.model_copy(update={"enabled": enabled}))

    async def remove_bot(self, name: str) -> None:
        """Remove a bot that the operator added, and its secrets. Durable on return. Raises Refused NOT_FOUND, CONFIG_PINNED."""
        self._changeable(name)
        if name not in self._admin_bots or self._bots.bots[name].spec.source != "admin":
            raise Refused(
                "CONFIG_PINNED",
                f"bot {name} comes with its adapter",
                remedy=f"jackfield bot disable {name}",
                source="manifest",
            )
        del self._admin_bots[name]
        await self._journal.write(Unit(puts=(Put(BOTS_BUCKET, name, None),)))
        if own := [secret for secret in self._secrets.all() if secret.startswith(sealed_name(name, ""))]:
            await self._secrets.write(dict.fromkeys(own))
        self.settle_bots()

    def _changeable(self, name: str) -> None:
        bot = self._bots.bots.get(name)
        if bot is None:
            raise Refused("NOT_FOUND", f"there is no bot {name!r}", remedy="See `jackfield bot list`.")
        if bot.spec.source == "file":
            raise Refused(
                "CONFIG_PINNED",
                f"bot {name} is declared in jackfield.yaml",
                remedy=f"Change bots.{name} there.",
                source="file",
            )

    async def _keep_bot(self, name: str, entry: BotEntry) -> None:
        """Secrets first: what the journal refers to is there, whenever the kernel dies."""
        adapter = self._registry.plugins.get(entry.adapter or "")
        if adapter is not None:
            config, secrets = seal(name, adapter.manifest, entry.config)
            if secrets:
                await self._secrets.write(secrets)
            entry = entry.model_copy(update={"config": config})
        value = json.dumps(entry.model_dump(exclude_defaults=True)).encode()
        await self._journal.write(Unit(puts=(Put(BOTS_BUCKET, name, value),)))
        self._admin_bots[name] = entry
        self.settle_bots()


def _developed_spec(manifest: Manifest, *, external: bool) -> PluginSpec:
    if external:
        return PluginSpec(manifest.name, manifest, "develop", launcher=EXTERNAL, watched=False)
    patient = manifest.model_copy(update={"restart": UNTIL_RESTARTED})
    return PluginSpec(manifest.name, patient, "develop", python_path=python_path_of(manifest))


def _idle(spec: PluginSpec) -> Reason:
    """Why a plugin that nobody needs does not run."""
    adapter = spec.name if spec.manifest and spec.manifest.kind == "adapter" else "PLUGIN"
    return Reason(NO_BOTS, "No bot uses it.", f"jackfield bot add NAME --adapter {adapter}")
