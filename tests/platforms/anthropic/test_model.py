"""The model plugin, with the official client, against a server that speaks the wire and misbehaves."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from jackfield.v1 import model_pb2
from jackfield_model_anthropic.model import AnthropicModels, build
from jackfield_sdk import (
    AuthExpired,
    ContentTooLarge,
    InvalidArgument,
    JackfieldError,
    NotFound,
    PlatformError,
    RateLimited,
    Unavailable,
)
from jackfield_sdk.testing import FakeKernel

from .server import (
    Server,
    block,
    end,
    failure,
    floods,
    never,
    refuses,
    says,
    served,
    start,
    streams,
    text,
    thinking,
    tool,
    words,
)

CHAT = "/jackfield.v1.Model/Chat"
USER, ASSISTANT, TOOL = (
    model_pb2.MODEL_ROLE_USER,
    model_pb2.MODEL_ROLE_ASSISTANT,
    model_pb2.MODEL_ROLE_TOOL,
)
DEFAULTS = {
    "model": "m1", "models": ["m2"], "context_tokens": 1000, "max_output_tokens": 500, "vision": True,
    "thinking": "unset", "thinking_tokens": 4096, "cache": True, "first_seconds": 5, "idle_seconds": 5,
}  # fmt: skip


class House:
    """The plugin and the server."""

    def __init__(self, kernel: FakeKernel, server: Server) -> None:
        self.kernel = kernel
        self.server = server
        self.clock = 0.0

    @contextlib.asynccontextmanager
    async def running(self, **config: Any) -> AsyncIterator[None]:
        """The plugin under a configuration."""
        whole = {**DEFAULTS, "api_key": "sk-first", "base_url": self.server.url, **config}
        async with self.kernel.running(build(AnthropicModels(lambda: self.clock)), config=whole):
            yield

    async def steps(self, request: model_pb2.ChatRequest | None = None) -> list[model_pb2.ChatResponse]:
        """What it answers."""
        call = self.kernel.open_call(
            CHAT, request or said("hi"), target="model-anthropic", server_streaming=True
        )
        self.heard: list[model_pb2.ChatResponse] = []
        while (body := await call.read()) is not None:
            self.heard.append(model_pb2.ChatResponse.FromString(body))
        return self.heard


def said(words: str, **fields: Any) -> model_pb2.ChatRequest:
    request = model_pb2.ChatRequest(**fields)
    request.messages.add(role=USER).content.segments.add().text.text = words
    return request


@pytest.fixture
async def house() -> AsyncIterator[House]:
    async with FakeKernel() as kernel, served() as server:
        yield House(kernel, server)


async def test_an_answer_is_streamed_and_counted_with_the_cache(house: House) -> None:
    usage = {"cache_read_input_tokens": 20, "cache_creation_input_tokens": 3}
    counted = end(output_tokens_details={"thinking_tokens": 2})
    house.server.scripts = [streams(start(**usage), {"type": "ping"}, *text(0, "Hello ", "there"), *counted)]
    async with house.running():
        *pieces, last = await house.steps()
    assert [piece.text for piece in pieces] == ["Hello ", "there"]
    finish = last.finish
    assert finish.message.content.segments[0].text.text == "Hello there"
    assert (finish.reason, finish.model) == (model_pb2.FINISH_REASON_STOP, "served")
    assert finish.message.provider_state == b""
    assert finish.usage == model_pb2.ModelUsage(
        input_tokens=32, output_tokens=4, cache_read_tokens=20, cache_write_tokens=3, reasoning_tokens=2
    )
    asked = house.server.asked[0]
    assert (asked["model"], asked["max_tokens"], asked["stream"]) == ("m1", 500, True)


async def test_tool_calls_come_in_pieces(house: House) -> None:
    house.server.scripts = [
        streams(
            start(),
            *text(0, "Let me see."),
            *tool(1, "toolu_a", "look", "", '{"x"', ": 1}"),
            *tool(2, "toolu_b", "add", "{broken"),
            *tool(3, "toolu_c", "now"),
            *end("tool_use"),
        )
    ]
    async with house.running():
        *pieces, last = await house.steps()
    calls = [(call.id, call.name, call.arguments_json) for call in last.finish.message.tool_calls]
    assert calls == [("toolu_a", "look", '{"x": 1}'), ("toolu_b", "add", "{broken"), ("toolu_c", "now", "")]
    assert last.finish.reason == model_pb2.FINISH_REASON_TOOL_CALLS
    deltas = [piece.tool_call for piece in pieces if piece.HasField("tool_call")]
    assert [(delta.index, delta.id, delta.arguments_json) for delta in deltas] == [
        (0, "toolu_a", ""), (0, "", '{"x"'), (0, "", ": 1}"), (1, "toolu_b", ""), (1, "", "{broken"),
        (2, "toolu_c", ""),
    ]  # fmt: skip


async def test_signed_thinking_comes_back_in_its_place(house: House) -> None:
    house.server.scripts = [
        streams(
            start(),
            *thinking(0, "sig-1", "I ", "wonder"),
            *block(1, {"type": "redacted_thinking", "data": "opaque"}),
            *text(2, "Looking."),
            *thinking(3, "sig-2", "deeper"),
            *tool(4, "toolu_a", "look", '{"x":1}'),
            *end("tool_use"),
        ),
        streams(*words("Blue")),
    ]
    request = said("look")
    async with house.running(thinking="adaptive"):
        *pieces, last = await house.steps(request)
        assert "".join(piece.reasoning for piece in pieces) == "I wonderdeeper"
        assert last.finish.message.reasoning == "I wonder\n\ndeeper"
        request.messages.append(last.finish.message)
        result = request.messages.add(role=TOOL, tool_call_id="toolu_a")
        result.content.segments.add().text.text = "blue"
        await house.steps(request)
        request.model = "m2"
        await house.steps(request)
    first, second, other = house.server.asked
    assert first["thinking"] == {"type": "adaptive", "display": "summarized"}
    call = {"type": "tool_use", "id": "toolu_a", "name": "look", "input": {"x": 1}}
    assert second["messages"][1]["content"] == [
        {"type": "thinking", "thinking": "I wonder", "signature": "sig-1"},
        {"type": "redacted_thinking", "data": "opaque"},
        {"type": "text", "text": "Looking."},
        {"type": "thinking", "thinking": "deeper", "signature": "sig-2"},
        call,
    ]
    assert other["messages"][1]["content"] == [{"type": "text", "text": "Looking."}, call]


@pytest.mark.parametrize(
    ("reason", "seen"),
    [
        ("stop_sequence", model_pb2.FINISH_REASON_STOP),
        ("max_tokens", model_pb2.FINISH_REASON_LENGTH),
        ("model_context_window_exceeded", model_pb2.FINISH_REASON_LENGTH),
        ("refusal", model_pb2.FINISH_REASON_FILTERED),
        ("of_tomorrow", model_pb2.FINISH_REASON_UNSPECIFIED),
    ],
)
async def test_reasons_to_stop(house: House, reason: str, seen: int) -> None:
    house.server.scripts = [streams(start(), *text(0, "Hm"), *end(reason))]
    async with house.running():
        *_, last = await house.steps()
    assert last.finish.reason == seen


@pytest.mark.parametrize(
    ("script", "error", "words"),
    [
        (refuses(401, "authentication_error", "bad key sk-first"), AuthExpired, "refused the key"),
        (refuses(429, "rate_limit_error", retry_after="7"), RateLimited, "no"),
        (refuses(404, "not_found_error", "model: m1"), NotFound, "model: m1"),
        (refuses(400, "invalid_request_error", "prompt is too long: 9 > 8"), ContentTooLarge, "9 > 8"),
        (refuses(413, "request_too_large"), ContentTooLarge, "no"),
        (refuses(400, "invalid_request_error", "tools.0: sk-first"), InvalidArgument, r"tools.0: \[key\]"),
        (refuses(402, "billing_error", "no credit"), PlatformError, "no credit"),
        (refuses(403, "permission_error", "not you"), PlatformError, "not you"),
        (refuses(500, "api_error"), Unavailable, "api_error"),
        (refuses(529, "overloaded_error", "Overloaded", retry_after="3"), Unavailable, "Overloaded"),
        (says(502, "<html>sk-first</html>"), Unavailable, "502"),
        (says(429, "slow", **{"retry-after": "7"}), RateLimited, "slow"),
        (says(302, "", location="http://169.254.169.254/"), PlatformError, "302"),
        (says(200, "", **{"content-encoding": "gzip"}), PlatformError, "packed"),
        (says(200, "<html></html>"), JackfieldError, "."),
        (streams(failure("overloaded_error", "Overloaded")), Unavailable, "Overloaded"),
        (streams(failure("rate_limit_error", "slow")), RateLimited, "slow"),
        (streams("event: error\ndata: nonsense\n\n"), PlatformError, "nonsense"),
        (streams("event: error\ndata: [1]\n\n"), PlatformError, "."),
        (streams("event: message_start\ndata: {nonsense\n\n"), PlatformError, "no answer"),
        (streams("event: message_start\ndata: null\n\n"), JackfieldError, "."),
        (streams('event: message_start\ndata: "text"\n\n'), JackfieldError, "."),
        (
            streams('event: message_start\ndata: {"type":"message_start","message":7}\n\n'),
            Unavailable,
            "broke off",
        ),
        (streams("event: message_start\ndata: " + "[" * 5000 + "\n\n"), PlatformError, "."),
        (streams(start(), *text(0), *text(0)), PlatformError, "twice"),
        (streams(start(), *text(9999)), PlatformError, "parts"),
        (streams(start(), *tool(0, "", "")), PlatformError, "without a name"),
        (streams(start(), *(e for n in range(65) for e in tool(n, "a", "b"))), PlatformError, "64 tools"),
        (streams(start(), *tool(0, "a", "b", "x" * 140_000)), PlatformError, "above"),
        (streams(start(), drop=True), Unavailable, "."),
        (streams(start(), *text(0)), Unavailable, "broke off"),
        (streams(), Unavailable, "broke off"),
    ],
)
async def test_refusals_are_translated(house: House, script: Any, error: type[Exception], words: str) -> None:
    house.server.scripts = [script]
    async with house.running():
        with pytest.raises(error, match=words) as caught:
            await house.steps()
    assert "sk-first" not in str(caught.value)
    assert getattr(caught.value, "reason", "") != "INTERNAL"
    assert len(house.server.asked) == 1
    if isinstance(caught.value, RateLimited):
        in_stream = caught.value.metadata["platform_code"].startswith("200")
        assert caught.value.retry_after == (1 if in_stream else 7)


async def test_what_came_before_a_broken_answer_stands(house: House) -> None:
    hello = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": "Hel"}}
    house.server.scripts = [streams(start(), hello, failure("overloaded_error")), streams(*words("no"))]
    async with house.running(api_key="sk-first,sk-second"):
        with pytest.raises(Unavailable):
            await house.steps()
    assert [step.text for step in house.heard] == ["Hel"]
    assert house.server.keys == ["sk-first"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "script", [never, streams(start(), hang=True), streams(start(), *text(0, "Hel"), hang=True)]
)
async def test_silence_ends(house: House, script: Any) -> None:
    house.server.scripts = [script]
    async with house.running(first_seconds=0.3, idle_seconds=0.3):
        with pytest.raises(Unavailable, match="in time"):
            await house.steps()


@pytest.mark.slow
@pytest.mark.parametrize(
    "line",
    [
        b"data: " + b"x" * 65536,
        b"data: x\n" * 8192,
        b": a word of nothing\n\n" * 4096,
        b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":'
        b'{"type":"text_delta","text":"' + b"y" * 4000 + b'"}}\n\n',
    ],
)
async def test_a_flood_ends(house: House, line: bytes) -> None:
    begun = b'event: content_block_start\ndata: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}\n\n'
    house.server.scripts = [floods(line, begun)]
    async with house.running():
        with pytest.raises(PlatformError, match="above"):
            await house.steps()


async def test_keys_take_turns_and_refused_ones_rest(house: House) -> None:
    house.server.scripts = [refuses(429, "rate_limit_error", retry_after="60"), streams(*words("ok"))]
    async with house.running(api_key="sk-first, sk-second"):
        await house.steps()
        await house.steps()
        house.clock = 61
        await house.steps()
        await house.steps()
    assert house.server.keys == ["sk-first", "sk-second", "sk-second", "sk-first", "sk-second"]


async def test_models_are_listed_and_a_new_configuration_counts(house: House) -> None:
    async with house.running():
        listed = await house.kernel.call_service(
            "/jackfield.v1.Model/ListModels", model_pb2.ListModelsRequest(), model_pb2.ListModelsResponse
        )
        assert [(model.id, model.max_output_tokens) for model in listed.models] == [("m1", 500), ("m2", 500)]
        with pytest.raises(NotFound, match="not configured"):
            await house.steps(said("hi", model="other"))
        house.kernel.configure({**DEFAULTS, "api_key": "sk-new", "base_url": house.server.url})
        await house.steps()
    assert house.server.keys == ["sk-new"]
