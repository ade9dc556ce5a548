"""Which models, tools and memories there are now."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

from jackfield.v1 import kernel_pb2, model_pb2, tool_pb2
from jackfield_sdk import JackfieldError, PluginContext, Unavailable, wellknown

MODEL = "jackfield.v1.Model"
TOOLS = "jackfield.v1.Tools"
CONVERSATION = "jackfield.v1.Conversation"
# Asked only where no other model runs: users of a real one must never get its answers instead.
LAST_RESORT = "model-demo"
KEEP_SECONDS = 60.0
INSTALLED_SECONDS = 3.0
LIST_SECONDS = 10.0
LONGEST_NAME = 64
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class OfferedTool:
    """A tool of a plugin, under the name that the model sees; `tool.name` is its plugin's own."""

    name: str
    plugin: str
    tool: tool_pb2.Tool


@dataclass(frozen=True, slots=True)
class Candidate:
    """A model that may be asked. `description` is None when its plugin did not tell."""

    plugin: str
    model: str
    description: model_pb2.ModelDescription | None = None

    def __str__(self) -> str:
        return f"{self.plugin}/{self.model}" if self.model else self.plugin


class Installed:
    """The kernel's catalog at one moment."""

    def __init__(self, response: kernel_pb2.GetCatalogResponse) -> None:
        self._plugins = {plugin.name: plugin for plugin in response.plugins}
        self._provides = {
            plugin.name: wellknown.struct_to_plain(plugin.manifest).get("provides") or {}
            for plugin in response.plugins
        }
        self._adapters = {bot.name: bot.adapter for bot in response.bots}

    def providers(self, service: str) -> list[str]:
        """Plugins that provide a service and are not switched off, by name."""
        return sorted(
            name
            for name, provides in self._provides.items()
            if service in (provides.get("services") or ()) and self._plugins[name].state != "STOPPED"
        )

    def hint(self, bot: str, language: str) -> str:
        """What the bot's adapter tells models about its platform."""
        hint = self._provides.get(self._adapters.get(bot, ""), {}).get("hint") or ""
        if isinstance(hint, dict):
            hint = hint.get(language) or hint.get("en") or next(iter(hint.values()), "")
        return str(hint)

    def can(self, bot: str, api: str) -> bool:
        """Whether the bot's adapter declares a method of the Adapter service."""
        return api in (self._provides.get(self._adapters.get(bot, ""), {}).get("apis") or ())


class Catalog:
    """Asks the kernel and the providers; their lists are kept for a minute. `clock` in seconds."""

    def __init__(self, plugin: PluginContext, clock: Callable[[], float]) -> None:
        self._plugin = plugin
        self._clock = clock
        self._installed: tuple[float, Installed] | None = None
        self._kept: dict[tuple[str, str], tuple[float, Any]] = {}

    async def installed(self) -> Installed:
        """What is installed, as it was at most three seconds ago: reading every manifest costs more than a turn."""
        if self._installed is None or self._installed[0] <= self._clock():
            request = kernel_pb2.GetCatalogRequest()
            response = await self._plugin.kernel("GetCatalog", request, kernel_pb2.GetCatalogResponse)
            self._installed = (self._clock() + INSTALLED_SECONDS, Installed(response))
        return self._installed[1]

    async def models(self, installed: Installed, wanted: Iterable[str]) -> list[Candidate]:
        """The models to ask, in order: the wanted ones, or all that run; the demo model only where it is alone."""
        running = installed.providers(MODEL)
        names = list(wanted) or [name for name in running if name != LAST_RESORT] or running
        found = []
        for name in names:
            plugin, _, model = name.partition("/")
            if plugin in running:
                known = await self.described(plugin)
                description = next((one for one in known if not model or one.id == model), None)
                found.append(Candidate(plugin, model, description))
        return found

    async def described(self, plugin: str) -> list[model_pb2.ModelDescription]:
        """The models of one plugin; none when it does not answer."""
        response = await self._listed(
            plugin,
            f"/{MODEL}/ListModels",
            model_pb2.ListModelsRequest(),
            model_pb2.ListModelsResponse,
        )
        return list(response.models) if response is not None else []

    async def tools(
        self, installed: Installed, allowed: Iterable[str], language: str
    ) -> dict[str, OfferedTool]:
        """Every allowed tool by the name that the model sees; equal names of two plugins carry the plugin's."""
        patterns = list(allowed)
        found: list[tuple[str, tool_pb2.Tool]] = []
        for plugin in installed.providers(TOOLS):
            request = tool_pb2.ListToolsRequest(locale=language)
            response = await self._listed(plugin, f"/{TOOLS}/ListTools", request, tool_pb2.ListToolsResponse)
            found += [
                (plugin, tool)
                for tool in (response.tools if response is not None else ())
                if _allowed(plugin, tool.name, patterns)
            ]
        names = [tool.name for _, tool in found]
        offered = {}
        for plugin, tool in found:
            name = tool.name if names.count(tool.name) == 1 else f"{plugin}__{tool.name}"[:LONGEST_NAME]
            offered[name] = OfferedTool(name, plugin, tool)
        return offered

    async def _listed(self, plugin: str, method: str, request: Any, response_type: type[R]) -> R | None:
        key = (plugin, method)
        kept = self._kept.get(key)
        if kept is not None and kept[0] > self._clock():
            response: R = kept[1]
            return response
        try:
            response = await self._ask(plugin, method, request, response_type)
        except JackfieldError as error:
            # One plugin that does not answer takes its models or tools away, not the conversation.
            self._plugin.log.warning("%s of %s failed: %s", method, plugin, error)
            return None
        self._kept[key] = (self._clock() + KEEP_SECONDS, response)
        return response

    async def _ask(self, plugin: str, method: str, request: Any, response_type: type[R]) -> R:
        """Once more where a cut connection may have been the failure."""
        try:
            return await self._plugin.call(
                method, request, response_type, target=plugin, timeout=LIST_SECONDS
            )
        except Unavailable:
            await self._plugin.kv.get("connected")
            return await self._plugin.call(
                method, request, response_type, target=plugin, timeout=LIST_SECONDS
            )


def _allowed(plugin: str, tool: str, patterns: Iterable[str]) -> bool:
    return any(
        fnmatch.fnmatchcase(
            f"{plugin}/{tool}", pattern if "/" in pattern or pattern == "*" else f"{pattern}/*"
        )
        for pattern in patterns
    )
