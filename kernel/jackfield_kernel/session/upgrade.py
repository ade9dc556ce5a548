"""Upgrades: a new version starts beside the old one, proves itself, takes over, and the old one drains."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from jackfield.v1 import admin_pb2

from ..errors import Refused
from ..journal.journal import Journal
from ..journal.log import LogDriver, Put
from ..journal.reading import every
from ..manifest import Manifest
from ..supervisor import Reason, State, Supervisor
from ..supervisor.spec import PluginSpec, beside
from .bots import Bots
from .hub import Hub
from .liaison import Liaison
from .registry import Registry

SLOT_BUCKET = "slot"
"""Slots of the generations that serve: a kernel that starts in the middle of an upgrade knows which process to keep."""

Step = Callable[["admin_pb2.UpgradeStep.ValueType", str], None]
"""Told of each step, with the version or bot that goes with it."""


class Upgrades:
    """Replaces the process of a plugin without a gap, one upgrade of a plugin at a time."""

    def __init__(
        self,
        supervisor: Supervisor,
        hub: Hub,
        bots: Bots,
        liaison: Liaison,
        registry: Registry,
        journal: Journal,
    ) -> None:
        self._supervisor = supervisor
        self._hub = hub
        self._bots = bots
        self._liaison = liaison
        self._registry = registry
        self._journal = journal
        self._running: dict[str, asyncio.Lock] = {}
        self.slots: dict[str, str] = {}

    async def load(self, driver: LogDriver) -> None:
        """Read which generations served under an earlier kernel."""
        async for name, entry in every(driver, SLOT_BUCKET):
            self.slots[name] = entry.value.decode()

    def supervise(self, spec: PluginSpec) -> None:
        """Run a plugin; this generation of it serves."""
        self._hub.sessions.promote(spec.name, spec.instance)
        self._supervisor.add(spec)

    def forget(self, name: str) -> None:
        """A plugin is gone; whatever gets its name begins anew."""
        self._keep_slot(name, "")

    def _keep_slot(self, name: str, slot: str) -> None:
        self.slots[name] = slot
        self._journal.put(Put(SLOT_BUCKET, name, slot.encode() or None))

    async def run(self, manifest: Manifest, spec: PluginSpec, *, trusted: bool, step: Step) -> None:
        """Bring a version into service; returns when nothing of the old one runs.

        Raises UpgradeFailed when the new version does not become ready, Refused CONFLICT during another upgrade, and what the
        supervisor raises: the old version goes on then, untouched.
        """
        lock = self._running.setdefault(manifest.name, asyncio.Lock())
        if lock.locked():
            raise Refused("CONFLICT", f"{manifest.name} is being upgraded already", remedy="Wait for that.")
        async with lock:
            step(admin_pb2.UPGRADE_STEP_STARTING, manifest.version)
            if self._supervisor.plugin(manifest.name).state is State.ACTIVE:
                await self._side_by_side(manifest, spec, trusted, step)
            else:
                # Nothing serves that could go on meanwhile.
                self._registry.add(manifest, trusted=trusted)
                await self._supervisor.restart(manifest.name, spec)
            step(admin_pb2.UPGRADE_STEP_DONE, manifest.version)

    async def _side_by_side(self, manifest: Manifest, spec: PluginSpec, trusted: bool, step: Step) -> None:
        name, new, old = manifest.name, beside(spec), spec.instance
        self._registry.prepare(manifest, new.instance, trusted=trusted)
        try:
            await self._supervisor.start_beside(new)
        except BaseException:
            self._registry.drop(new.instance)
            raise
        step(admin_pb2.UPGRADE_STEP_READY, manifest.version)
        # From here on the new one serves; nothing is awaited in between, so nobody sees a state between the two.
        self._supervisor.promote(name)
        self._registry.swap(name, new.instance, old)
        self._keep_slot(name, new.slot)
        earlier = self._hub.promote(new.instance)
        self._liaison.promoted(name)
        if earlier is not None:
            await self._bots.hand_over(earlier, lambda bot: step(admin_pb2.UPGRADE_STEP_BOT, bot))
        step(admin_pb2.UPGRADE_STEP_DRAINING, "")
        await self._supervisor.end_beside(name, Reason("UPGRADED", "A newer version took over."))
        self._registry.drop(old)
        if (session := self._hub.sessions.serving(name)) is not None and session.ready:
            # Whatever bot the old version did not let go of is opened now that it is gone.
            self._bots.adapter_ready(session)
