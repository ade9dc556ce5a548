"""A request of the contract as the provider wants it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jackfield.v1 import model_pb2
from jackfield_sdk import InvalidArgument, wellknown

from jackfield_model_anthropic.turns import Block, ReadBlob, Turns

CACHED = {"type": "ephemeral"}
CACHEABLE = ("text", "image", "tool_result")


async def body_of(
    request: model_pb2.ChatRequest, model: str, read_blob: ReadBlob, config: Mapping[str, Any]
) -> dict[str, Any]:
    """The arguments of `messages.create`. Raises InvalidArgument that names the field."""
    if not request.messages:
        raise InvalidArgument("a conversation needs at least one turn", metadata={"field": "messages"})
    if request.HasField("temperature"):
        raise InvalidArgument(
            "the provider takes no temperature for any model",
            metadata={"field": "temperature"},
            remedy="Leave it out.",
        )
    system, messages = await Turns(model, read_blob, config["vision"]).read(request.messages)
    if not messages:
        raise InvalidArgument("a conversation needs more than instructions", metadata={"field": "messages"})
    if config["cache"]:
        # Tools stand before the instructions: one mark covers both. The second one covers the rounds so far.
        _mark(system)
        _mark(messages[-1]["content"])
    longest = request.max_output_tokens or config["max_output_tokens"]
    body: dict[str, Any] = {"model": model, "messages": messages, "max_tokens": longest, "stream": True}
    if system:
        body["system"] = system
    if request.tools:
        body["tools"] = [_tool(tool) for tool in request.tools]
        if request.tool_choice == model_pb2.TOOL_CHOICE_NONE:
            body["tool_choice"] = {"type": "none"}
        elif request.tool_choice == model_pb2.TOOL_CHOICE_REQUIRED:
            body["tool_choice"] = {"type": "any"}
    if request.stop:
        body["stop_sequences"] = list(request.stop)
    if request.HasField("response_schema"):
        schema = wellknown.struct_to_plain(request.response_schema)
        body["output_config"] = {"format": {"type": "json_schema", "schema": schema}}
    _think(body, config)
    if request.HasField("provider_options"):
        body["extra_body"] = wellknown.struct_to_plain(request.provider_options)
    return body


def _think(body: dict[str, Any], config: Mapping[str, Any]) -> None:
    match config["thinking"]:
        case "adaptive":
            # Without words the silence would look like a model that hangs.
            body["thinking"] = {"type": "adaptive", "display": "summarized"}
        case "budget":
            body["thinking"] = {"type": "enabled", "budget_tokens": config["thinking_tokens"]}
            # The budget counts towards the whole answer, and must leave room for it.
            body["max_tokens"] += config["thinking_tokens"]
        case "disabled":
            body["thinking"] = {"type": "disabled"}


def _tool(tool: Any) -> dict[str, Any]:
    schema = wellknown.struct_to_plain(tool.input_schema)
    found = {"name": tool.name, "input_schema": schema or {"type": "object", "properties": {}}}
    if tool.description:
        found["description"] = tool.description
    return found


def _mark(blocks: list[Block]) -> None:
    if blocks and blocks[-1]["type"] in CACHEABLE:
        blocks[-1] = {**blocks[-1], "cache_control": CACHED}
