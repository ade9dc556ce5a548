"""The demo model remembers, calls tools and says that it is none."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from jackfield.v1 import model_pb2, tool_pb2
from jackfield_model_demo.demo import build
from jackfield_sdk import JackfieldError, NotFound
from jackfield_sdk.testing import FakeKernel

CHAT = "/jackfield.v1.Model/Chat"
USER, ASSISTANT, TOOL = (
    model_pb2.MODEL_ROLE_USER,
    model_pb2.MODEL_ROLE_ASSISTANT,
    model_pb2.MODEL_ROLE_TOOL,
)


@pytest.fixture
async def kernel() -> AsyncIterator[FakeKernel]:
    async with FakeKernel() as kernel, kernel.running(build(), config={"words_per_second": 0}):
        yield kernel


def request(*texts: str, tools: tuple[str, ...] = (), **fields: str) -> model_pb2.ChatRequest:
    """Turns of user and model in turn, the user first."""
    asked = model_pb2.ChatRequest(**fields)
    for number, text in enumerate(texts):
        turn = asked.messages.add(role=ASSISTANT if number % 2 else USER)
        turn.content.segments.add().text.text = text
    asked.tools.extend(tool_pb2.Tool(name=name, description=name) for name in tools)
    return asked


async def steps(kernel: FakeKernel, asked: model_pb2.ChatRequest) -> list[model_pb2.ChatResponse]:
    call = kernel.open_call(CHAT, asked, target="model-demo", server_streaming=True)
    found = []
    while (body := await call.read()) is not None:
        found.append(model_pb2.ChatResponse.FromString(body))
    return found


def text_of(answer: list[model_pb2.ChatResponse]) -> str:
    return "".join(step.text for step in answer)


async def test_it_streams_words_and_ends_with_the_whole_turn(kernel: FakeKernel) -> None:
    answer = await steps(kernel, request("hello there"))
    assert len(answer) > 5
    assert text_of(answer) == 'You said "hello there". (demo model, no real one)'
    finish = answer[-1].finish
    assert finish.message.content.segments[0].text.text == text_of(answer)
    assert finish.reason == model_pb2.FINISH_REASON_STOP
    assert finish.usage.input_tokens == 2
    assert answer == await steps(kernel, request("hello there"))


async def test_it_remembers_what_the_history_holds(kernel: FakeKernel) -> None:
    asked = request("My name is Ann", "Hello", "What is my name?")
    assert text_of(await steps(kernel, asked)).startswith("Your name is Ann.")
    assert "not told me" in text_of(await steps(kernel, request("what is my name")))


@pytest.mark.parametrize(
    ("text", "name", "arguments"),
    [
        ("what time is it?", "time_now", "{}"),
        ('use note {"a": 1}', "note", '{"a": 1}'),
        ("use note {broken", "note", "{broken"),
        ("remember that I like tea", "remember", '{"text": "I like tea"}'),
    ],
)
async def test_it_calls_tools(kernel: FakeKernel, text: str, name: str, arguments: str) -> None:
    (delta, finish) = await steps(kernel, request(text, tools=("time_now", "note", "remember")))
    assert (delta.tool_call.name, delta.tool_call.arguments_json) == (name, arguments)
    assert finish.finish.message.tool_calls[0].id == delta.tool_call.id
    assert finish.finish.reason == model_pb2.FINISH_REASON_TOOL_CALLS


async def test_it_reports_what_tools_answered(kernel: FakeKernel) -> None:
    asked = request("what time is it", tools=("time_now",))
    asked.messages.add(role=ASSISTANT).tool_calls.add(id="1", name="time_now")
    result = asked.messages.add(role=TOOL, tool_call_id="1")
    result.content.segments.add().text.text = "It is noon."
    assert text_of(await steps(kernel, asked)).startswith("It is noon.")


async def test_what_it_cannot_do_is_refused(kernel: FakeKernel) -> None:
    with pytest.raises(NotFound):
        await steps(kernel, request("hi", model="gpt"))
    with pytest.raises(JackfieldError, match="at least one turn"):
        await steps(kernel, request())
