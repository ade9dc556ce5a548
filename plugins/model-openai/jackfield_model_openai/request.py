"""A conversation as the provider wants it."""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable
from typing import Any

from jackfield.v1 import message_pb2, model_pb2
from jackfield_sdk import InvalidArgument, convert, wellknown

ROLES = {
    model_pb2.MODEL_ROLE_SYSTEM: "system",
    model_pb2.MODEL_ROLE_USER: "user",
    model_pb2.MODEL_ROLE_ASSISTANT: "assistant",
    model_pb2.MODEL_ROLE_TOOL: "tool",
}
LARGEST_IMAGES = 20 * 1024 * 1024
ReadBlob = Callable[[str], Awaitable[bytes]]


async def body_of(
    request: model_pb2.ChatRequest, model: str, read_blob: ReadBlob, *, vision: bool, old_length_field: bool
) -> dict[str, Any]:
    """The request. Raises InvalidArgument that names the field."""
    if not request.messages:
        raise InvalidArgument("a conversation needs at least one turn", metadata={"field": "messages"})
    images = _Images(read_blob, vision)
    body: dict[str, Any] = {
        "model": model,
        "messages": [await _turn(turn, number, images) for number, turn in enumerate(request.messages)],
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    if request.tools:
        body["tools"] = [
            {
                "type": "function",
                "function": {
                    "name": tool.name,
                    "description": tool.description,
                    "parameters": wellknown.struct_to_plain(tool.input_schema)
                    or {"type": "object", "properties": {}},
                },
            }
            for tool in request.tools
        ]
        if request.tool_choice == model_pb2.TOOL_CHOICE_NONE:
            body["tool_choice"] = "none"
        elif request.tool_choice == model_pb2.TOOL_CHOICE_REQUIRED:
            body["tool_choice"] = "required"
    if request.HasField("temperature"):
        body["temperature"] = request.temperature
    if request.max_output_tokens:
        body["max_tokens" if old_length_field else "max_completion_tokens"] = request.max_output_tokens
    if request.stop:
        body["stop"] = list(request.stop)
    if request.HasField("response_schema"):
        schema = wellknown.struct_to_plain(request.response_schema)
        body["response_format"] = {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}
    if request.HasField("provider_options"):
        body["extra_body"] = wellknown.struct_to_plain(request.provider_options)
    return body


class _Images:
    """Pictures of one request, bounded together."""

    def __init__(self, read_blob: ReadBlob, vision: bool) -> None:
        self._read = read_blob
        self._left = LARGEST_IMAGES
        self.vision = vision

    async def url(self, media: message_pb2.Media) -> str:
        """An address that the provider can read; "" when there is none."""
        if media.url:
            return media.url
        if not media.blob_id:
            return ""
        data = await self._read(media.blob_id)
        self._left -= len(data)
        if self._left < 0:
            raise InvalidArgument(
                f"the pictures are above {LARGEST_IMAGES} bytes", metadata={"field": "messages.content"}
            )
        return f"data:{media.mime or 'image/jpeg'};base64,{base64.b64encode(data).decode()}"


async def _turn(turn: model_pb2.ModelMessage, number: int, images: _Images) -> dict[str, Any]:
    role = ROLES.get(turn.role)
    if role is None:
        raise InvalidArgument("a turn has no role", metadata={"field": f"messages[{number}].role"})
    if role == "user":
        return {"role": role, "content": await _parts(turn.content, images)}
    text = convert.message_to_plain(turn.content).plain()
    if role == "tool":
        return {"role": role, "tool_call_id": turn.tool_call_id, "content": text}
    found: dict[str, Any] = {"role": role, "content": text}
    if turn.tool_calls:
        found["content"] = text or None
        found["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments_json or "{}"},
            }
            for call in turn.tool_calls
        ]
    return found


async def _parts(content: message_pb2.Message, images: _Images) -> str | list[dict[str, Any]]:
    parts: list[dict[str, Any]] = []
    for segment in content.segments:
        if segment.HasField("image") and images.vision and (url := await images.url(segment.image.media)):
            parts.append({"type": "image_url", "image_url": {"url": url}})
        else:
            text = convert.message_to_plain(message_pb2.Message(segments=[segment])).plain()
            parts.append({"type": "text", "text": text})
    if all(part["type"] == "text" for part in parts):
        return "".join(part["text"] for part in parts)
    return parts
