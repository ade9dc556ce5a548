"""What the plugin makes of a conversation: all that a request may hold, and histories that were cut."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from jackfield.v1 import model_pb2, tool_pb2
from jackfield_model_anthropic.request import body_of
from jackfield_sdk import InvalidArgument, wellknown

from .server import faults

USER, ASSISTANT, TOOL, SYSTEM = (
    model_pb2.MODEL_ROLE_USER,
    model_pb2.MODEL_ROLE_ASSISTANT,
    model_pb2.MODEL_ROLE_TOOL,
    model_pb2.MODEL_ROLE_SYSTEM,
)
CONFIG = {
    "vision": True,
    "cache": False,
    "max_output_tokens": 500,
    "thinking": "unset",
    "thinking_tokens": 2048,
}
PNG = b"\x89PNG rest"


async def blob(name: str) -> bytes:
    return PNG if name == "b1" else bytes(21 * 1024 * 1024)


def turn(role: int, words: str = "", **fields: Any) -> model_pb2.ModelMessage:
    found = model_pb2.ModelMessage(role=role, **fields)  # type: ignore[arg-type]
    if words:
        found.content.segments.add().text.text = words
    return found


def calling(*names: str, words: str = "") -> model_pb2.ModelMessage:
    found = turn(ASSISTANT, words)
    for name in names:
        found.tool_calls.add(id=name, name="look", arguments_json='{"a":1}')
    return found


async def body(*turns: model_pb2.ModelMessage, config: Any = None, **fields: Any) -> dict[str, Any]:
    request = model_pb2.ChatRequest(messages=turns, **fields)
    return await body_of(request, "m1", blob, {**CONFIG, **(config or {})})


async def test_all_that_a_request_may_hold() -> None:
    look = turn(USER, "look")
    look.content.segments.add().image.media.url = "https://example.org/a.png"
    look.content.segments.add().image.media.blob_id = "b1"
    strange = look.content.segments.add().image.media
    strange.url, strange.mime = "https://example.org/a.tiff", "image/tiff"
    schema = wellknown.struct_to_proto({"type": "object", "properties": {"a": {"type": "integer"}}})
    tools = [tool_pb2.Tool(name="look", description="Looks.", input_schema=schema), tool_pb2.Tool(name="now")]
    asked = await body(
        turn(SYSTEM, "Be kind."),
        look,
        calling("c1"),
        turn(TOOL, "blue", tool_call_id="c1", is_error=True),
        turn(SYSTEM, "Be brief."),
        config={"cache": True},
        tools=tools,
        tool_choice=model_pb2.TOOL_CHOICE_REQUIRED,
        max_output_tokens=7,
        stop=["."],
        response_schema=schema,
        provider_options=wellknown.struct_to_proto({"speed": "fast"}),
    )
    mark = {"type": "ephemeral"}
    assert asked["system"] == [
        {"type": "text", "text": "Be kind."},
        {"type": "text", "text": "Be brief.", "cache_control": mark},
    ]
    words, url, inline, described = asked["messages"][0]["content"]
    assert words == {"type": "text", "text": "look"}
    assert url["source"] == {"type": "url", "url": "https://example.org/a.png"}
    assert (inline["source"]["type"], inline["source"]["media_type"]) == ("base64", "image/png")
    assert described["type"] == "text"
    (call,) = asked["messages"][1]["content"]
    assert call == {"type": "tool_use", "id": "c1", "name": "look", "input": {"a": 1}}
    assert asked["messages"][2]["content"] == [
        {
            "type": "tool_result",
            "tool_use_id": "c1",
            "content": [{"type": "text", "text": "blue"}],
            "is_error": True,
            "cache_control": mark,
        }
    ]
    assert asked["tools"][0]["input_schema"]["properties"] == {"a": {"type": "integer"}}
    assert asked["tools"][1] == {"name": "now", "input_schema": {"type": "object", "properties": {}}}
    assert (asked["tool_choice"], asked["max_tokens"], asked["stop_sequences"]) == ({"type": "any"}, 7, ["."])
    assert asked["output_config"]["format"] == {
        "type": "json_schema",
        "schema": wellknown.struct_to_plain(schema),
    }
    assert asked["extra_body"] == {"speed": "fast"}


@pytest.mark.parametrize(
    "turns",
    [
        [turn(TOOL, "late", tool_call_id="gone"), turn(USER, "hi")],
        [turn(ASSISTANT, "I began"), turn(USER, "hi")],
        [turn(USER, "hi"), calling("a", "b"), turn(TOOL, "x", tool_call_id="b"), turn(USER, "more")],
        [turn(USER, "hi"), calling("a"), turn(USER, "never mind")],
        [turn(USER, "hi"), calling("a"), turn(USER, "wait"), turn(TOOL, "x", tool_call_id="a")],
        [
            turn(USER, "hi"),
            calling("a"),
            turn(TOOL, "1", tool_call_id="a"),
            turn(TOOL, "2", tool_call_id="a"),
        ],
        [turn(USER, "hi"), calling("a"), calling("b"), turn(TOOL, "1", tool_call_id="a")],
        [turn(USER, "hi"), calling("a")],
        [turn(USER), turn(ASSISTANT), turn(USER, " \n")],
        [turn(USER, "hi"), turn(ASSISTANT, " "), turn(USER, "still there?")],
        [turn(USER, "hi"), calling("functions.look:0"), turn(TOOL, "", tool_call_id="functions.look:0")],
    ],
)
async def test_a_history_that_was_cut_is_mended(turns: list[model_pb2.ModelMessage]) -> None:
    asked = await body(*turns)
    assert faults(asked) == ""
    roles = [message["role"] for message in asked["messages"]]
    assert all(one != other for one, other in itertools.pairwise(roles))


async def test_what_nobody_called_for_is_told_as_text() -> None:
    asked = await body(turn(TOOL, "late news", tool_call_id="gone"), turn(USER, "hi"))
    assert [part["text"] for part in asked["messages"][0]["content"]] == ["late news", "hi"]


@pytest.mark.parametrize("arguments", ["{broken", "[1]", "[" * 5000])
async def test_arguments_that_are_no_object_stay_readable(arguments: str) -> None:
    call = turn(ASSISTANT)
    call.tool_calls.add(id="a", name="look", arguments_json=arguments)
    asked = await body(turn(USER, "hi"), call)
    assert asked["messages"][1]["content"][0]["input"] == {"invalid": arguments}


@pytest.mark.parametrize(
    ("mode", "sent", "longest"),
    [
        ("unset", None, 500),
        ("adaptive", {"type": "adaptive", "display": "summarized"}, 500),
        ("budget", {"type": "enabled", "budget_tokens": 2048}, 2548),
        ("disabled", {"type": "disabled"}, 500),
    ],
)
async def test_thinking(mode: str, sent: Any, longest: int) -> None:
    asked = await body(turn(USER, "hi"), config={"thinking": mode})
    assert (asked.get("thinking"), asked["max_tokens"]) == (sent, longest)


@pytest.mark.parametrize(
    ("turns", "fields", "field"),
    [
        ([], {}, "messages"),
        ([turn(SYSTEM, "Be kind.")], {}, "messages"),
        ([turn(0, "who?")], {}, "messages[0].role"),
        ([turn(USER, "hi")], {"temperature": 0.0}, "temperature"),
    ],
)
async def test_what_cannot_be_asked_names_its_field(turns: Any, fields: Any, field: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        await body(*turns, **fields)
    assert caught.value.metadata["field"] == field


async def test_pictures_are_bounded_together() -> None:
    large = turn(USER, "look")
    large.content.segments.add().image.media.blob_id = "large"
    with pytest.raises(InvalidArgument, match="above"):
        await body(large)
    asked = await body(large, config={"vision": False})
    assert {part["type"] for part in asked["messages"][0]["content"]} == {"text"}
