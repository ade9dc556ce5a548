"""The model plugin, with the official client, against a server that speaks the wire and misbehaves."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from jackfield.v1 import model_pb2, tool_pb2
from jackfield_model_openai.model import OpenAiModels, build
from jackfield_sdk import (
    AuthExpired,
    ContentTooLarge,
    InvalidArgument,
    JackfieldError,
    NotFound,
    PlatformError,
    RateLimited,
    Unavailable,
    wellknown,
)
from jackfield_sdk.testing import FakeKernel

from .server import Server, chunk, floods, never, refuses, served, streams, words

CHAT = "/jackfield.v1.Model/Chat"
USER, ASSISTANT, TOOL = (
    model_pb2.MODEL_ROLE_USER,
    model_pb2.MODEL_ROLE_ASSISTANT,
    model_pb2.MODEL_ROLE_TOOL,
)
DEFAULTS = {
    "model": "m1", "models": ["m2"], "context_tokens": 1000, "vision": True, "tools": True, "fallbacks": [],
    "first_seconds": 5, "idle_seconds": 5, "old_length_field": False,
}  # fmt: skip


class House:
    """The plugin and two servers."""

    def __init__(self, kernel: FakeKernel, server: Server, second: Server) -> None:
        self.kernel = kernel
        self.server = server
        self.second = second
        self.clock = 0.0

    @contextlib.asynccontextmanager
    async def running(self, **config: Any) -> AsyncIterator[None]:
        """The plugin under a configuration."""
        whole = {**DEFAULTS, "api_key": "sk-first", "base_url": self.server.url, **config}
        async with self.kernel.running(build(OpenAiModels(lambda: self.clock)), config=whole):
            yield

    async def steps(self, request: model_pb2.ChatRequest | None = None) -> list[model_pb2.ChatResponse]:
        """What it answers."""
        call = self.kernel.open_call(
            CHAT, request or said("hi"), target="model-openai", server_streaming=True
        )
        self.heard: list[model_pb2.ChatResponse] = []
        while (body := await call.read()) is not None:
            self.heard.append(model_pb2.ChatResponse.FromString(body))
        return self.heard


def said(text: str, **fields: Any) -> model_pb2.ChatRequest:
    request = model_pb2.ChatRequest(**fields)
    request.messages.add(role=USER).content.segments.add().text.text = text
    return request


@pytest.fixture
async def house() -> AsyncIterator[House]:
    async with FakeKernel() as kernel, served() as server, served() as second:
        yield House(kernel, server, second)


async def test_an_answer_is_streamed(house: House) -> None:
    async with house.running():
        *pieces, last = await house.steps()
    assert [piece.text for piece in pieces] == ["Hello ", "there "]
    finish = last.finish
    assert finish.message.content.segments[0].text.text == "Hello there "
    assert (finish.reason, finish.model) == (model_pb2.FINISH_REASON_STOP, "served")
    usage = finish.usage
    assert (usage.input_tokens, usage.output_tokens, usage.cache_read_tokens, usage.reasoning_tokens) == (
        9,
        4,
        2,
        1,
    )
    assert house.server.asked[0]["messages"] == [{"role": "user", "content": "hi"}]
    assert house.server.asked[0]["model"] == "m1"


async def test_all_that_a_request_may_hold(house: House) -> None:
    request = said("look", model="m2", temperature=0.5, max_output_tokens=7, stop=["."])
    image = request.messages[0].content.segments.add().image
    image.media.url = "https://example.org/a.png"
    called = request.messages.add(role=ASSISTANT)
    called.tool_calls.add(id="c1", name="look", arguments_json='{"a":1}')
    result = request.messages.add(role=TOOL, tool_call_id="c1")
    result.content.segments.add().text.text = "blue"
    schema = wellknown.struct_to_proto({"type": "object", "properties": {"a": {"type": "integer"}}})
    request.tools.append(tool_pb2.Tool(name="look", description="Looks.", input_schema=schema))
    request.tool_choice = model_pb2.TOOL_CHOICE_REQUIRED
    request.response_schema.CopyFrom(schema)
    request.provider_options.CopyFrom(wellknown.struct_to_proto({"seed": 5}))
    async with house.running():
        await house.steps(request)
    asked = house.server.asked[0]
    assert asked["messages"][0]["content"][1] == {
        "type": "image_url",
        "image_url": {"url": "https://example.org/a.png"},
    }
    assert asked["messages"][1]["tool_calls"][0]["function"] == {"name": "look", "arguments": '{"a":1}'}
    assert asked["messages"][2] == {"role": "tool", "tool_call_id": "c1", "content": "blue"}
    assert (asked["model"], asked["temperature"], asked["stop"], asked["seed"]) == ("m2", 0.5, ["."], 5)
    assert (asked["max_completion_tokens"], asked["tool_choice"]) == (7, "required")
    assert asked["tools"][0]["function"]["parameters"]["properties"] == {"a": {"type": "integer"}}
    assert asked["response_format"]["json_schema"]["schema"]["type"] == "object"


async def test_tool_calls_come_in_pieces(house: House) -> None:
    def piece(index: int, arguments: str, **first: str) -> dict[str, Any]:
        function = {"arguments": arguments, **({"name": first["name"]} if first else {})}
        return chunk(
            {"tool_calls": [{"index": index, "function": function, **({"id": first["id"]} if first else {})}]}
        )

    house.server.scripts = [
        streams(
            piece(0, "", id="a", name="look"),
            piece(0, '{"x"'),
            piece(1, "{broken", id="b", name="add"),
            piece(0, ": 1}"),
            chunk(finish="stop"),
        )
    ]
    async with house.running():
        *_, last = await house.steps()
    calls = [(call.id, call.name, call.arguments_json) for call in last.finish.message.tool_calls]
    assert calls == [("a", "look", '{"x": 1}'), ("b", "add", "{broken")]
    assert last.finish.reason == model_pb2.FINISH_REASON_TOOL_CALLS


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
async def test_reasoning_by_either_name(house: House, field: str) -> None:
    house.server.scripts = [streams(chunk({field: "hm"}), *words("yes"))]
    async with house.running():
        first, *_, last = await house.steps()
    assert (first.reasoning, last.finish.message.reasoning) == ("hm", "hm")


@pytest.mark.parametrize(
    ("script", "error", "words"),
    [
        (refuses(401, message="bad key sk-first"), AuthExpired, "refused the key"),
        (refuses(429, retry_after="7"), RateLimited, "no"),
        (refuses(429, "insufficient_quota"), PlatformError, "quota"),
        (refuses(404, message="no such model"), NotFound, "no such model"),
        (refuses(400, "context_length_exceeded"), ContentTooLarge, "no"),
        (refuses(400, message="bad sk-first thing"), InvalidArgument, r"bad \[key\] thing"),
        (refuses(500), Unavailable, "500"),
        (refuses(302, location="http://169.254.169.254/"), JackfieldError, "."),
        (streams("{nonsense"), PlatformError, "no answer"),
        (streams("[" * 5_000), PlatformError, "no answer"),
        (streams(drop=True), Unavailable, "."),
        (streams(done=True), Unavailable, "broke off"),
        (streams({"error": {"message": "overloaded", "code": "server_error"}}), Unavailable, "overloaded"),
        (streams("null"), JackfieldError, "."),
        (streams('"text"'), JackfieldError, "."),
        (streams('{"choices": [{"delta": {"content": 7}}]}'), Unavailable, "broke off"),
    ],
)
async def test_refusals_are_translated(house: House, script: Any, error: type[Exception], words: str) -> None:
    house.server.scripts = [script]
    async with house.running():
        with pytest.raises(error, match=words) as caught:
            await house.steps()
    assert "sk-first" not in str(caught.value)
    assert getattr(caught.value, "reason", "") != "INTERNAL"
    if isinstance(caught.value, RateLimited):
        assert caught.value.retry_after == 7


async def test_an_answer_that_breaks_off_is_not_begun_anew(house: House) -> None:
    house.server.scripts = [streams(chunk({"content": "Hel"}), drop=True)]
    async with house.running(fallbacks=[{"name": "b", "base_url": house.second.url}]):
        with pytest.raises(Unavailable):
            await house.steps()
    assert [step.text for step in house.heard] == ["Hel"]
    assert house.second.asked == []


@pytest.mark.slow
@pytest.mark.parametrize("script", [never, streams(chunk({"content": "Hel"}), hang=True)])
async def test_silence_ends(house: House, script: Any) -> None:
    house.server.scripts = [script]
    async with house.running(first_seconds=0.3, idle_seconds=0.3):
        with pytest.raises(Unavailable, match="in time"):
            await house.steps()


@pytest.mark.slow
@pytest.mark.parametrize(
    "line",
    [b"data: " + b"x" * 65536, b'data: {"choices":[{"delta":{"content":"' + b"y" * 4000 + b'"}}]}\n\n'],
)
async def test_a_flood_ends(house: House, line: bytes) -> None:
    house.server.scripts = [floods(line)]
    async with house.running():
        with pytest.raises(PlatformError, match="above"):
            await house.steps()


async def test_keys_take_turns_and_refused_ones_rest(house: House) -> None:
    house.server.scripts = [refuses(429, retry_after="60"), streams(*words("ok"))]
    async with house.running(api_key="sk-first, sk-second"):
        await house.steps()
        await house.steps()
        house.clock = 61
        await house.steps()
        await house.steps()
    assert house.server.keys == ["sk-first", "sk-second", "sk-second", "sk-first", "sk-second"]


async def test_the_next_endpoint_is_asked_with_its_own_key_and_the_sick_one_rests(house: House) -> None:
    house.server.scripts = [refuses(503)]
    fallback = {"name": "b", "base_url": house.second.url, "model": "big"}
    async with house.running(fallbacks=[fallback], fallback_keys="b=sk-other"):
        await house.steps()
        await house.steps()
        assert (len(house.server.asked), len(house.second.asked)) == (1, 2)
        house.clock = 31
        house.server.scripts = [streams(*words("back"))]
        await house.steps()
    assert house.second.keys == ["sk-other"] * 2
    assert house.second.asked[0]["model"] == "big"
    assert len(house.server.asked) == 2


async def test_a_key_is_shown_to_no_other_host(house: House) -> None:
    house.server.scripts = [refuses(503)]
    async with house.running(fallbacks=[{"name": "b", "base_url": house.second.url}]):
        await house.steps()
    assert house.second.keys == ["none"]


async def test_what_is_wrong_by_itself_goes_to_nobody_else(house: House) -> None:
    house.server.scripts = [refuses(400)]
    async with house.running(fallbacks=[{"name": "b", "base_url": house.second.url}]):
        with pytest.raises(InvalidArgument):
            await house.steps()
        with pytest.raises(NotFound, match="not configured"):
            await house.steps(said("hi", model="other"))
    assert house.second.asked == []


async def test_models_are_listed_and_a_new_configuration_counts(house: House) -> None:
    async with house.running():
        method = "/jackfield.v1.Model/ListModels"
        listed = await house.kernel.call_service(
            method, model_pb2.ListModelsRequest(), model_pb2.ListModelsResponse
        )
        assert [model.id for model in listed.models] == ["m1", "m2"]
        house.kernel.configure({**DEFAULTS, "api_key": "sk-new", "base_url": house.second.url})
        await house.steps()
    assert house.second.keys == ["sk-new"]
