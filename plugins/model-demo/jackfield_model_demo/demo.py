"""The servicer: streams what the rules say, word by word."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any

from jackfield.v1 import model_pb2, model_pb2_grpc
from jackfield_sdk import InvalidArgument, NotFound, Plugin, PluginContext

from jackfield_model_demo import __version__
from jackfield_model_demo.mind import call_id, think, usage_of

MODEL = "demo"
CONTEXT_TOKENS = 32_000


class DemoModel(model_pb2_grpc.ModelServicer):
    """Serves `jackfield.v1.Model` by rules."""

    def __init__(self) -> None:
        self._plugin: PluginContext | None = None

    async def open(self, plugin: PluginContext) -> None:
        """The configuration is read from here at each request."""
        self._plugin = plugin

    async def ListModels(
        self, request: model_pb2.ListModelsRequest, context: Any
    ) -> model_pb2.ListModelsResponse:
        """The only model."""
        demo = model_pb2.ModelDescription(
            id=MODEL, title="Demo", provider="rules", context_tokens=CONTEXT_TOKENS, tools=True, vision=True
        )
        return model_pb2.ListModelsResponse(models=[demo])

    async def Chat(
        self, request: model_pb2.ChatRequest, context: Any
    ) -> AsyncIterator[model_pb2.ChatResponse]:
        """Word by word, then the whole turn."""
        if request.model not in ("", MODEL):
            raise NotFound(f"there is no model {request.model!r}", remedy=f"Use {MODEL!r}.")
        if not request.messages:
            raise InvalidArgument("a conversation needs at least one turn", metadata={"field": "messages"})
        thought = think(request)
        turn = model_pb2.ModelMessage(role=model_pb2.MODEL_ROLE_ASSISTANT)
        pause = self._pause()
        for word in re.findall(r"\s*\S+", thought.text):
            yield model_pb2.ChatResponse(text=word)
            if pause:
                await asyncio.sleep(pause)
        if thought.text:
            turn.content.segments.add().text.text = thought.text
        for index, (name, arguments) in enumerate(thought.calls):
            delta = model_pb2.ToolCallDelta(
                index=index, id=call_id(request, index), name=name, arguments_json=arguments
            )
            yield model_pb2.ChatResponse(tool_call=delta)
            turn.tool_calls.add(id=delta.id, name=name, arguments_json=arguments)
        reason = model_pb2.FINISH_REASON_TOOL_CALLS if thought.calls else model_pb2.FINISH_REASON_STOP
        usage = model_pb2.ModelUsage(**usage_of(request, thought.text))
        finish = model_pb2.ChatFinish(reason=reason, message=turn, usage=usage, model=MODEL)
        yield model_pb2.ChatResponse(finish=finish)

    def _pause(self) -> float:
        config = self._plugin.config if self._plugin is not None else {}
        speed = float(config.get("words_per_second", 0))
        return 1 / speed if speed else 0.0


def build() -> Plugin:
    """The plugin, ready to run."""
    plugin = Plugin("model-demo", version=__version__)
    model = DemoModel()
    plugin.setup(model.open)
    plugin.service(model)
    return plugin
