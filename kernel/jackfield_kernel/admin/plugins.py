"""Admin: plugins."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

from jackfield.v1 import admin_pb2

from ..errors import KernelError, Refused
from ..manifest import Manifest, load_manifest, parse_manifest
from ..paths import DataPaths
from ..session.border import contained
from ..session.installation import Installation
from ..supervisor import State, tail
from ..supervisor.discovery import manifest_in
from .views import View, struct

FOLLOW_SECONDS = 0.2
FOLLOW_BYTES = 1 << 20


class PluginsPart:
    """Plugins."""

    def __init__(
        self, view: View, installation: Installation, paths: DataPaths, tasks: asyncio.TaskGroup
    ) -> None:
        self._view = view
        self._installation = installation
        self._paths = paths
        self._tasks = tasks

    def _status(self, name: str) -> admin_pb2.PluginStatus:
        return self._view.plugin(self._view.supervisor.plugin(name))

    async def list_plugins(self, request: admin_pb2.ListPluginsRequest) -> admin_pb2.ListPluginsResponse:
        """All plugins."""
        snapshots = self._view.supervisor.snapshot()
        return admin_pb2.ListPluginsResponse(plugins=[self._view.plugin(one) for one in snapshots])

    async def get_plugin(self, request: admin_pb2.GetPluginRequest) -> admin_pb2.GetPluginResponse:
        """One plugin in full."""
        snapshot = self._view.supervisor.plugin(request.name)
        response = admin_pb2.GetPluginResponse(
            plugin=self._view.plugin(snapshot),
            last_exit=str(snapshot.last_exit or ""),
            last_lines=snapshot.last_lines,
        )
        installed = self._view.registry.plugins.get(request.name)
        if installed is not None:
            manifest = installed.manifest
            response.manifest.CopyFrom(installed.raw)
            response.grants.extend(installed.grants.names)
            response.requested_grants.extend(manifest.grants)
            response.config.CopyFrom(struct(installed.config.redacted()))
            response.path = str(manifest.path)
            response.not_enforced.extend(snapshot.gaps)
        return response

    async def install_plugin(
        self, request: admin_pb2.InstallPluginRequest
    ) -> admin_pb2.InstallPluginResponse:
        """Install from a directory."""
        name = self._installation.install(Path(request.path))
        grants = self._view.registry.installed_plugin(name).manifest.grants
        return admin_pb2.InstallPluginResponse(plugin=self._status(name), requested_grants=grants)

    async def remove_plugin(self, request: admin_pb2.RemovePluginRequest) -> admin_pb2.RemovePluginResponse:
        """Forget a plugin."""
        await self._installation.remove(request.name)
        return admin_pb2.RemovePluginResponse()

    async def enable_plugin(self, request: admin_pb2.EnablePluginRequest) -> admin_pb2.EnablePluginResponse:
        """Approve and start."""
        started = await self._installation.enable(request.name, approve=request.approve)
        grants = () if started else self._view.registry.installed_plugin(request.name).manifest.grants
        return admin_pb2.EnablePluginResponse(plugin=self._status(request.name), requested_grants=grants)

    async def disable_plugin(
        self, request: admin_pb2.DisablePluginRequest
    ) -> admin_pb2.DisablePluginResponse:
        """Drain and stop."""
        await self._installation.disable(request.name)
        return admin_pb2.DisablePluginResponse(plugin=self._status(request.name))

    async def restart_plugin(
        self, request: admin_pb2.RestartPluginRequest
    ) -> admin_pb2.RestartPluginResponse:
        """Drain, stop and start."""
        await self._installation.restart(request.name)
        return admin_pb2.RestartPluginResponse(plugin=self._status(request.name))

    async def trust_plugin(self, request: admin_pb2.TrustPluginRequest) -> admin_pb2.TrustPluginResponse:
        """Out of the sandbox, or back."""
        await self._installation.trust(request.name, trusted=not request.revoke)
        return admin_pb2.TrustPluginResponse(plugin=self._status(request.name))

    async def upgrade_plugin(
        self, request: admin_pb2.UpgradePluginRequest
    ) -> AsyncIterator[admin_pb2.UpgradePluginResponse]:
        """Replace a plugin's process by one of its new version."""
        steps: asyncio.Queue[admin_pb2.UpgradePluginResponse | KernelError] = asyncio.Queue()

        def step(step: admin_pb2.UpgradeStep.ValueType, detail: str) -> None:
            steps.put_nowait(admin_pb2.UpgradePluginResponse(step=step, detail=detail))

        async def upgrade() -> None:
            place = Path(request.path) if request.path else None
            try:
                grants = await self._installation.upgrade(
                    request.name, place, back=request.back, approve=request.approve, step=step
                )
            except KernelError as error:
                steps.put_nowait(error)
                return
            last = admin_pb2.UpgradePluginResponse(plugin=self._status(request.name))
            last.requested_grants.extend(grants)
            steps.put_nowait(last)

        # The kernel's task: whoever asked for the upgrade may go away, and it still comes to its end.
        self._tasks.create_task(
            contained(upgrade(), f"the upgrade of {request.name}"), name=f"upgrade {request.name}"
        )
        while not isinstance(response := await steps.get(), KernelError):
            yield response
            if response.HasField("plugin"):
                return
        raise response

    async def set_grants(self, request: admin_pb2.SetGrantsRequest) -> admin_pb2.SetGrantsResponse:
        """Replace grants."""
        self._view.supervisor.plugin(request.name)
        network = self._view.registry.may_use_network(request.name)
        grants = self._view.registry.set_grants(request.name, request.grants)
        admitted = self._view.registry.admit(request.name)
        if admitted is not None:
            self._view.hub.reconfigure(request.name, admitted)
        if grants.has("network") != network:
            await self._installation.network_changed(request.name)
        return admin_pb2.SetGrantsResponse(grants=grants.names)

    async def tail_logs(
        self, request: admin_pb2.TailLogsRequest
    ) -> AsyncIterator[admin_pb2.TailLogsResponse]:
        """Lines of a plugin's log."""
        self._view.supervisor.plugin(request.name)
        path = self._paths.plugin_log(request.name)
        count = min(request.lines or 50, 10_000)
        size = path.stat().st_size if path.exists() else 0
        yield admin_pb2.TailLogsResponse(lines=await asyncio.to_thread(tail, path, count))
        while request.follow:
            await asyncio.sleep(FOLLOW_SECONDS)
            now = path.stat().st_size if path.exists() else 0
            if now == size:
                continue
            lines, size = await asyncio.to_thread(_lines_after, path, size if now > size else 0)
            if lines:
                yield admin_pb2.TailLogsResponse(lines=lines)

    async def develop_plugin(
        self, request: admin_pb2.DevelopPluginRequest
    ) -> AsyncIterator[admin_pb2.DevelopPluginResponse]:
        """Supervise a developer's plugin while the stream is open."""
        manifest = _developed(request)
        name = manifest.name
        changed = asyncio.Event()
        await self._installation.develop(manifest, external=request.external, replace=request.replace)
        stop = self._view.registry.watch(lambda version: changed.set())
        try:
            while True:
                await changed.wait()
                changed.clear()
                snapshot = self._view.supervisor.plugin(name)
                bootstrap = self._paths.bootstrap(name)
                ended = snapshot.state in (State.FAILED, State.PARKED, State.STOPPED)
                yield admin_pb2.DevelopPluginResponse(
                    bootstrap_path=str(bootstrap) if bootstrap.exists() else "",
                    plugin=self._view.plugin(snapshot),
                    last_lines=snapshot.last_lines if ended else (),
                )
        finally:
            stop()
            await asyncio.shield(self._installation.end_development(name))


def _developed(request: admin_pb2.DevelopPluginRequest) -> Manifest:
    if request.manifest:
        if not request.external:
            raise Refused("INVALID_ARGUMENT", "a manifest without a path needs `external`", field="manifest")
        return parse_manifest(request.manifest.encode(), Path("jackfield-plugin.yaml"))
    place = Path(request.path)
    path = manifest_in(place) if place.is_dir() else None
    if path is None:
        raise Refused(
            "NOT_FOUND",
            f"there is no jackfield-plugin.yaml in {place}",
            remedy="Name the directory of a plugin.",
        )
    return load_manifest(path)


def _lines_after(path: Path, offset: int) -> tuple[list[str], int]:
    """Return the whole lines from `offset` on, at most 1 MiB, and where they end."""
    with path.open("rb") as file:
        file.seek(offset)
        found = file.read(FOLLOW_BYTES)
    # A line that is being written is left for the next look, unless it is endless.
    end = found.rfind(b"\n") + 1 or (len(found) if len(found) == FOLLOW_BYTES else 0)
    # Bytes know only the ends of lines that logs have; text would split at U+2028 too.
    texts = [line.decode("utf-8", "replace") for line in found[:end].splitlines()]
    lines = ["".join(c if c.isprintable() or c == "\t" else "\ufffd" for c in text) for text in texts]
    return lines, offset + end
