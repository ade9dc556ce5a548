"""A kernel in the test's own event loop, on temporary directories."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import yaml
from jackfield.v1 import admin_pb2, admin_pb2_grpc, frame_pb2, router_pb2
from jackfield_kernel.app import Kernel, Place
from jackfield_kernel.config import load_config
from jackfield_kernel.hooks import Hooks
from jackfield_kernel.paths import DataPaths, RuntimePaths, runtime_paths

from .raw import RawPlugin

HANDLER = "jackfield.v1.Handler"
ADAPTER = "jackfield.v1.Adapter"


def manifest(name: str, kind: str, *, grants: Sequence[str] = (), **fields: Any) -> str:
    """A manifest as YAML text."""
    provides = fields.pop("provides", {})
    content = {
        "manifest": 1,
        "name": name,
        "version": "0.1.0",
        "contract": 1,
        "kind": kind,
        "title": name,
        "description": "A plugin of a test.",
        "run": {"remote": True},
        "provides": provides,
        "grants": list(grants),
        **fields,
    }
    return yaml.safe_dump(content)


def handler_manifest(name: str = "h", *, grants: Sequence[str] = ("reply",), **fields: Any) -> str:
    """A handler."""
    return manifest(name, "handler", grants=grants, provides={"services": [HANDLER]}, **fields)


def adapter_manifest(
    name: str = "a", *, bots: Sequence[str] = ("b",), grants: Sequence[str] = (), **provides: Any
) -> str:
    """An adapter with its bots."""
    return manifest(
        name,
        "adapter",
        grants=grants,
        provides={
            "services": [ADAPTER],
            "platform": name,
            "intake": "acknowledged",
            "dedup_horizon": "1h",
            "events": ["message.received"],
            "apis": ["send_message"],
            "default_bots": [{"name": bot} for bot in bots],
            **provides,
        },
    )


@dataclass
class Rig:
    """A running kernel."""

    kernel: Kernel
    admin: admin_pb2_grpc.AdminAsyncStub
    data: DataPaths
    stack: contextlib.AsyncExitStack
    runtime: RuntimePaths
    task: asyncio.Task[None]

    async def hand_over(self) -> None:
        """End the kernel; its plugins stay, and hear nothing but the end of their streams."""
        self.kernel.hand_over()
        await asyncio.wait_for(self.task, 20)

    async def declared(self, name: str, *, resume: RawPlugin | None = None, **attach: Any) -> RawPlugin:
        """Connect a plugin of the configuration; with `resume` as the process that it was under an earlier kernel."""
        if resume is not None:
            return await resume.connect(attach=frame_pb2.Attach(**attach))
        path = self.data.bootstrap(name)
        async with asyncio.timeout(10):
            while not path.exists():
                await asyncio.sleep(0.01)
        plugin = await RawPlugin.from_file(str(path)).connect()
        self.stack.push_async_callback(plugin.close)
        return plugin

    async def plugin(self, text: str, *, ready: bool = True) -> RawPlugin:
        """Make a plugin known and connect it."""
        path = await self.developed(text)
        plugin = await RawPlugin.from_file(path).connect(ready=ready)
        await self.stack.enter_async_context(plugin)
        return plugin

    async def developed(self, text: str) -> str:
        """Make a plugin known; returns its bootstrap file. It is forgotten at the end of the rig."""
        stream = self.admin.DevelopPlugin(admin_pb2.DevelopPluginRequest(manifest=text, external=True))
        self.stack.callback(stream.cancel)
        while True:
            response = await asyncio.wait_for(stream.read(), 10)
            if response.bootstrap_path:
                return str(response.bootstrap_path)

    async def adapter(self, name: str = "a", *, bots: Sequence[str] = ("b",), **provides: Any) -> RawPlugin:
        """An adapter whose bots are open."""
        plugin = await self.plugin(adapter_manifest(name, bots=bots, **provides))
        await self.until_bots(*bots)
        return plugin

    async def until_bots(self, *bots: str) -> None:
        """Wait until these bots are ACTIVE."""
        async with asyncio.timeout(10):
            async for response in self.admin.WatchStatus(admin_pb2.WatchStatusRequest()):
                states = {bot.name: bot.state for bot in response.status.bots}
                if all(states.get(bot) == 2 for bot in bots):
                    return

    async def status(self) -> admin_pb2.Status:
        """The kernel's status."""
        return (await self.admin.GetStatus(admin_pb2.GetStatusRequest())).status

    async def until(self, condition: Any) -> admin_pb2.Status:
        """Poll the status until a condition holds."""
        async with asyncio.timeout(10):
            while True:
                status = await self.status()
                if condition(status):
                    return status
                await asyncio.sleep(0.01)


def declared(folder: Path, *manifests: str) -> dict[str, Any]:
    """The `plugins` section for plugins that stand in the configuration and are started by the test."""
    plugins = {}
    for text in manifests:
        name = yaml.safe_load(text)["name"]
        place = folder / "declared" / name
        place.mkdir(parents=True, exist_ok=True)
        (place / "jackfield-plugin.yaml").write_text(text)
        plugins[name] = {"directory": str(place)}
    return plugins


def routes(**rules: Any) -> dict[str, Any]:
    """Route tables for the configuration file: bot to rules."""
    return dict(rules)


def rule(handler: str = "h", **fields: Any) -> dict[str, Any]:
    """One rule that takes messages."""
    return {"id": fields.pop("id", handler), "event": "message.received", "handler": handler, **fields}


@contextlib.asynccontextmanager
async def running(
    folder: Path,
    *,
    memory: bool = False,
    config: dict[str, Any] | None = None,
    environ: dict[str, str] | None = None,
) -> AsyncIterator[Rig]:
    """A kernel on `folder`; several may follow each other on the same one."""
    folder.mkdir(parents=True, exist_ok=True)
    settings = {"discover": False, "metrics": {"enabled": False}, **(config or {})}
    path = folder / "jackfield.yaml"
    path.write_text(json.dumps(settings))
    data = DataPaths(folder / "data")
    short: RuntimePaths = runtime_paths(data.root, {})
    place = Place(data, short, load_config(path, environ or {}, {}), environ or {}, memory)
    kernel = Kernel(place, Hooks())
    task = asyncio.create_task(kernel.run())
    started = asyncio.create_task(kernel.started.wait())
    await asyncio.wait({task, started}, return_when=asyncio.FIRST_COMPLETED, timeout=10)
    if task.done():
        started.cancel()
        await task
    try:
        async with contextlib.AsyncExitStack() as stack:
            channel = grpc.aio.insecure_channel(
                f"unix:{short.admin_socket}",
                options=(("grpc.use_local_subchannel_pool", 1), ("grpc.default_authority", "localhost")),
            )
            stack.push_async_callback(channel.close)
            yield Rig(kernel, admin_pb2_grpc.AdminStub(channel), data, stack, short, task)
    finally:
        kernel.stop()
        await asyncio.wait_for(task, 20)


def table(bot: str, *rules: router_pb2.Rule) -> router_pb2.RouteTable:
    """A route table."""
    return router_pb2.RouteTable(bot=bot, version="test", rules=rules)
