"""The servicer: asks with one key after the other until an answer begins, then stays with it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import anthropic
import httpx2
from jackfield.v1 import model_pb2, model_pb2_grpc
from jackfield_sdk import JackfieldError, NotFound, Plugin, PluginContext, Unavailable

from jackfield_model_anthropic import __version__
from jackfield_model_anthropic.answer import Answer
from jackfield_model_anthropic.errors import translated
from jackfield_model_anthropic.keys import Key, Ring
from jackfield_model_anthropic.request import body_of

# A provider can make the client raise these; anything else is a fault of this plugin. The two of Python: what is no JSON, or
# JSON of a thousand brackets.
FAILURES = (
    JackfieldError, anthropic.AnthropicError, httpx2.HTTPError, TimeoutError, ValueError, RecursionError,
)  # fmt: skip


class AnthropicModels(model_pb2_grpc.ModelServicer):
    """Serves `jackfield.v1.Model`. `clock` in seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._plugin: PluginContext | None = None
        self._config: dict[str, Any] = {}
        self._ring: Ring | None = None

    async def open(self, plugin: PluginContext) -> None:
        """The configuration is read from here at each request."""
        self._plugin = plugin

    async def close(self, plugin: PluginContext) -> None:
        """Give up the connections."""
        if self._ring is not None:
            await self._ring.close()

    async def ListModels(
        self, request: model_pb2.ListModelsRequest, context: Any
    ) -> model_pb2.ListModelsResponse:
        """The configured models, the default one first."""
        config, _ = self._current()
        response = model_pb2.ListModelsResponse()
        for name in _models(config):
            response.models.add(
                id=name,
                provider=config["base_url"],
                context_tokens=config["context_tokens"],
                max_output_tokens=config["max_output_tokens"],
                tools=True,
                vision=config["vision"],
                reasoning=config["thinking"] in ("adaptive", "budget"),
            )
        return response

    async def Chat(
        self, request: model_pb2.ChatRequest, context: Any
    ) -> AsyncIterator[model_pb2.ChatResponse]:
        """One answer."""
        config, ring = self._current()
        assert self._plugin is not None
        wanted = request.model or config["model"]
        if wanted not in _models(config):
            raise NotFound(
                f"the model {wanted!r} is not configured",
                remedy="Add it to the plugin's models, or name another.",
            )
        body = await body_of(request, wanted, self._plugin.get_blob, config)
        failure: JackfieldError | None = None
        for key in ring.order():
            begun = False
            try:
                async for step in self._asked(key, body, config):
                    begun = True
                    yield step
                return
            except FAILURES as error:
                refusal = translated(error, ring.secrets)
                if not ring.rest(key, refusal) or begun:
                    raise refusal from error
                self._plugin.log.warning("a key was passed over: %s", refusal)
                # The caller is rather told of what waiting can mend.
                if failure is None or not failure.retryable:
                    failure = refusal
        assert failure is not None
        raise failure

    async def _asked(
        self, key: Key, body: dict[str, Any], config: dict[str, Any]
    ) -> AsyncIterator[model_pb2.ChatResponse]:
        answer = Answer(body["model"])
        limit, loop = config["first_seconds"], asyncio.get_running_loop()
        async with asyncio.timeout(limit) as silence:
            stream = await key.client.messages.create(**body)
            async with stream:
                async for event in stream:
                    for step in answer.add(event):
                        # The reader's time is not the provider's.
                        silence.reschedule(None)
                        limit = config["idle_seconds"]
                        yield step
                    silence.reschedule(loop.time() + limit)
        if not answer.complete:
            raise Unavailable("the provider's answer broke off")
        yield model_pb2.ChatResponse(finish=answer.finish())

    def _current(self) -> tuple[dict[str, Any], Ring]:
        """The configuration as it is now, with clients to match."""
        assert self._plugin is not None
        config = self._plugin.config
        if self._ring is None or config != self._config:
            # Clients of the earlier configuration end with the answers that still use them.
            self._config, self._ring = config, Ring(config, self._clock)
        return config, self._ring


def _models(config: dict[str, Any]) -> list[str]:
    return list(dict.fromkeys([config["model"], *config["models"]]))


def build(models: AnthropicModels | None = None) -> Plugin:
    """The plugin, ready to run."""
    plugin = Plugin("model-anthropic", version=__version__)
    models = models or AnthropicModels()
    plugin.setup(models.open)
    plugin.teardown(models.close)
    plugin.service(models)
    return plugin
