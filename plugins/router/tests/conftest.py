"""A router plugin on a fake kernel whose catalog the test changes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from importlib import resources
from typing import Any

import pytest
import yaml
from google.protobuf.duration_pb2 import Duration
from jackfield.v1 import kernel_pb2, router_pb2
from jackfield_router.router import build
from jackfield_sdk import wellknown
from jackfield_sdk.testing import FakeKernel, RunningPlugin

MANIFEST: dict[str, Any] = yaml.safe_load(
    (resources.files("jackfield_router") / "jackfield-plugin.yaml").read_text()
)
GUARDS = MANIFEST["config"]["properties"]["guard_rules"]["default"]
DEFAULTS = MANIFEST["config"]["properties"]["default_rules"]["default"]
HANDLER = {"provides": {"services": ["jackfield.v1.Handler"]}}
ADAPTER = {
    "provides": {
        "services": ["jackfield.v1.Adapter"],
        "platform": "blue",
        "events": ["message.received", "group.member_joined"],
        "platform_events": {"poked": {"schema": {}}},
    }
}


class Clock:
    """Time that stands still until the test moves it."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


class House:
    """The router and what is installed beside it."""

    def __init__(self, kernel: FakeKernel, clock: Clock) -> None:
        self.kernel = kernel
        self.clock = clock
        self.running: RunningPlugin
        self._changed = asyncio.Condition()
        self._version = 1
        self._told = 0
        kernel.answer("/jackfield.v1.Kernel/WatchCatalog", kernel_pb2.WatchCatalogRequest, self._watch)
        self.bots("web")
        self.plugin("blue", ADAPTER)
        self.plugin("echo", HANDLER)
        self.plugin("command", HANDLER)
        self.plugin("storage", {"provides": {"services": ["store.v1.Store"]}})

    def plugin(self, name: str, manifest: dict[str, Any]) -> None:
        """Install a plugin."""
        made = self.kernel.state.catalog.plugins.add(name=name, state="ACTIVE")
        made.manifest.CopyFrom(wellknown.struct_to_proto(manifest))

    def uninstall(self, name: str) -> None:
        """Remove a plugin."""
        plugins = self.kernel.state.catalog.plugins
        kept = [plugin for plugin in plugins if plugin.name != name]
        del plugins[:]
        plugins.extend(kept)

    def bots(self, *names: str) -> None:
        """Configure these bots."""
        del self.kernel.state.catalog.bots[:]
        for name in names:
            self.kernel.state.catalog.bots.add(name=name, adapter="blue", platform="blue", enabled=True)

    async def tell(self) -> None:
        """Let the kernel say that the catalog changed."""
        async with self._changed:
            self._version += 1
            self._changed.notify_all()

    async def _watch(self, request: kernel_pb2.WatchCatalogRequest) -> list[kernel_pb2.WatchCatalogResponse]:
        async with self._changed:
            await self._changed.wait_for(lambda: self._told < self._version)
        self._told = self._version
        return [kernel_pb2.WatchCatalogResponse(version=self._version)]

    async def pushed(self, bot: str, *ids: str) -> router_pb2.RouteTable:
        """Wait until the table of the bot has these rules, in this order."""
        async with asyncio.timeout(10):
            while [
                rule.id for rule in self.kernel.state.routes.get(bot, router_pb2.RouteTable()).rules
            ] != list(ids):
                await self.list()
        return self.kernel.state.routes[bot]

    def ids(self, bot: str = "web") -> list[str]:
        """Ids in the table that was pushed last."""
        return [rule.id for rule in self.kernel.state.routes[bot].rules]

    async def add(self, rule: router_pb2.Rule, bot: str = "web", ttl: float | None = None) -> router_pb2.Rule:
        """AddRule."""
        request = router_pb2.AddRuleRequest(bot=bot, rule=rule)
        if ttl is not None:
            request.ttl.CopyFrom(Duration(seconds=int(ttl)))
        answer = await self.kernel.call_service(
            "/jackfield.v1.Router/AddRule", request, router_pb2.AddRuleResponse, target="router"
        )
        return answer.rule

    async def remove(self, rule_id: str, bot: str = "web") -> None:
        """RemoveRule."""
        request = router_pb2.RemoveRuleRequest(bot=bot, rule_id=rule_id)
        await self.kernel.call_service(
            "/jackfield.v1.Router/RemoveRule", request, router_pb2.RemoveRuleResponse, target="router"
        )

    async def list(self, bot: str = "") -> dict[str, list[tuple[str, str]]]:
        """ListRules: ids with their sources, by bot."""
        answer = await self.kernel.call_service(
            "/jackfield.v1.Router/ListRules",
            router_pb2.ListRulesRequest(bot=bot),
            router_pb2.ListRulesResponse,
            target="router",
        )
        return {table.bot: [(rule.id, rule.source) for rule in table.rules] for table in answer.tables}

    def run(self, config: dict[str, Any] | None = None, *, wait_ready: bool = True) -> Any:
        """Start the router: an async context."""
        config = config or {"default_rules": DEFAULTS}
        return self.kernel.running(build(self.clock), config=config, wait_ready=wait_ready)


@pytest.fixture
async def stopped() -> AsyncIterator[House]:
    """Everything but the router itself."""
    async with FakeKernel() as kernel:
        yield House(kernel, Clock())


@pytest.fixture
async def house(stopped: House) -> AsyncIterator[House]:
    """A running router."""
    async with stopped.run() as running:
        stopped.running = running
        yield stopped
