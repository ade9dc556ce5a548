"""The servicer: asks endpoint after endpoint until one begins to answer, then stays with it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx2
import openai
from jackfield.v1 import model_pb2, model_pb2_grpc
from jackfield_sdk import (
    AuthExpired,
    JackfieldError,
    NotFound,
    Plugin,
    PluginContext,
    RateLimited,
    Unavailable,
)

from jackfield_model_openai import __version__
from jackfield_model_openai.answer import Answer
from jackfield_model_openai.endpoints import REFUSED_SECONDS, REST_SECONDS, Chain, Endpoint, Key
from jackfield_model_openai.errors import translated
from jackfield_model_openai.request import body_of


class OpenAiModels(model_pb2_grpc.ModelServicer):
    """Serves `jackfield.v1.Model`. `clock` in seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._plugin: PluginContext | None = None
        self._config: dict[str, Any] = {}
        self._chain: Chain | None = None

    async def open(self, plugin: PluginContext) -> None:
        """The configuration is read from here at each request."""
        self._plugin = plugin

    async def close(self, plugin: PluginContext) -> None:
        """Give up the connections."""
        if self._chain is not None:
            await self._chain.close()

    async def ListModels(
        self, request: model_pb2.ListModelsRequest, context: Any
    ) -> model_pb2.ListModelsResponse:
        """The configured models, the default one first."""
        config = self._current()
        response = model_pb2.ListModelsResponse()
        for name in dict.fromkeys([config["model"], *config["models"]]):
            response.models.add(
                id=name,
                provider=config["base_url"],
                context_tokens=config["context_tokens"],
                tools=config["tools"],
                vision=config["vision"],
            )
        return response

    async def Chat(
        self, request: model_pb2.ChatRequest, context: Any
    ) -> AsyncIterator[model_pb2.ChatResponse]:
        """One answer."""
        assert self._plugin is not None
        config = self._current()
        wanted = request.model or config["model"]
        if wanted not in (config["model"], *config["models"]):
            raise NotFound(
                f"the model {wanted!r} is not configured",
                remedy="Add it to the plugin's models, or name another.",
            )
        body = await body_of(
            request,
            wanted,
            self._plugin.get_blob,
            vision=config["vision"],
            old_length_field=config["old_length_field"],
        )
        chain = self._chain
        assert chain is not None
        failure: JackfieldError | None = None
        dead: set[str] = set()
        for endpoint, key in chain.order():
            if endpoint.name in dead:
                continue
            begun = False
            try:
                async for step in self._asked(key, {**body, "model": endpoint.model or wanted}, config):
                    begun = True
                    yield step
                return
            except (
                JackfieldError,
                openai.OpenAIError,
                httpx2.HTTPError,
                TimeoutError,
                ValueError,
                RecursionError,
            ) as error:
                refusal = translated(error, chain.secrets)
                if begun or not self._goes_on(refusal, endpoint, key, dead):
                    raise refusal from error
                failure = _worse(failure, refusal)
        assert failure is not None
        raise failure

    async def _asked(
        self, key: Key, body: dict[str, Any], config: dict[str, Any]
    ) -> AsyncIterator[model_pb2.ChatResponse]:
        answer = Answer(body["model"])
        async with asyncio.timeout(config["first_seconds"]) as silence:
            stream = await key.client.chat.completions.create(**body)
            async with stream:
                async for chunk in stream:
                    for step in answer.add(chunk):
                        # The reader's time is not the provider's.
                        silence.reschedule(None)
                        yield step
                    silence.reschedule(asyncio.get_running_loop().time() + config["idle_seconds"])
        if not answer.complete:
            raise Unavailable("the provider's answer broke off")
        yield model_pb2.ChatResponse(finish=answer.finish())

    def _goes_on(self, error: JackfieldError, endpoint: Endpoint, key: Key, dead: set[str]) -> bool:
        """Whether another key or endpoint may do better; notes who needs a rest."""
        assert self._plugin is not None
        self._plugin.log.warning("endpoint %s: %s", endpoint.name, error)
        now = self._clock()
        if isinstance(error, AuthExpired):
            key.rests_until = now + REFUSED_SECONDS
        elif isinstance(error, RateLimited):
            key.rests_until = now + (error.retry_after or 1.0)
        elif error.reason in ("UNAVAILABLE", "PLATFORM_ERROR", "NOT_FOUND"):
            # Another key changes nothing about these.
            dead.add(endpoint.name)
            if error.retryable:
                endpoint.rests_until = now + REST_SECONDS
        else:
            return False
        return True

    def _current(self) -> dict[str, Any]:
        """The configuration as it is now, with clients to match."""
        assert self._plugin is not None
        config = self._plugin.config
        if self._chain is None or config != self._config:
            # Clients of the earlier configuration end with the answers that still use them.
            self._config, self._chain = config, Chain.of(config, self._clock)
        return config


def _worse(one: JackfieldError | None, other: JackfieldError) -> JackfieldError:
    """What the caller is told of several failures: rather one that waiting can mend."""
    return one if one is not None and one.retryable and not other.retryable else other


def build(models: OpenAiModels | None = None) -> Plugin:
    """The plugin, ready to run."""
    plugin = Plugin("model-openai", version=__version__)
    models = models or OpenAiModels()
    plugin.setup(models.open)
    plugin.teardown(models.close)
    plugin.service(models)
    return plugin
