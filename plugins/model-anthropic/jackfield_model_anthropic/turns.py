"""Turns of a conversation as the provider's messages: user and assistant in turn, every call answered in the next message."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from jackfield.v1 import message_pb2, model_pb2
from jackfield_sdk import InvalidArgument, convert

from jackfield_model_anthropic.state import restored

LARGEST_IMAGES = 20 * 1024 * 1024
IMAGE_TYPES = ("image/jpeg", "image/png", "image/gif", "image/webp")
EMPTY = "(no text)"
ReadBlob = Callable[[str], Awaitable[bytes]]
Block = dict[str, Any]


class Turns:
    """Reads the turns of one request; its pictures are bounded together."""

    def __init__(self, model: str, read_blob: ReadBlob, vision: bool) -> None:
        self._model = model
        self._read_blob = read_blob
        self._vision = vision
        self._left = LARGEST_IMAGES

    async def read(self, turns: Iterable[model_pb2.ModelMessage]) -> tuple[list[Block], list[dict[str, Any]]]:
        """The blocks of the instructions, and the messages. Raises InvalidArgument that names the field."""
        system: list[Block] = []
        messages: list[dict[str, Any]] = []
        for number, turn in enumerate(turns):
            match turn.role:
                case model_pb2.MODEL_ROLE_SYSTEM:
                    system += _written(_words(turn.content))
                    continue
                case model_pb2.MODEL_ROLE_USER:
                    role, blocks = "user", await self._blocks(turn.content) or _written(EMPTY)
                case model_pb2.MODEL_ROLE_TOOL:
                    role, blocks = "user", [await self._result(turn)]
                case model_pb2.MODEL_ROLE_ASSISTANT:
                    role, blocks = "assistant", self._said(turn)
                case _:
                    raise InvalidArgument(
                        "a turn has no role", metadata={"field": f"messages[{number}].role"}
                    )
            if messages and messages[-1]["role"] == role:
                messages[-1]["content"] += blocks
            elif blocks:
                messages.append({"role": role, "content": blocks})
        return system, _answered(messages)

    def _said(self, turn: model_pb2.ModelMessage) -> list[Block]:
        blocks: list[Block] = []
        if text := _words(turn.content):
            blocks.append({"type": "text", "text": text})
        for call in turn.tool_calls:
            blocks.append(
                {
                    "type": "tool_use",
                    "id": _identity(call.id),
                    "name": call.name,
                    "input": _input(call.arguments_json),
                }
            )
        whole = restored(turn.provider_state, blocks, self._model)
        return [block for block in whole if block["type"] != "text" or block["text"].strip()]

    async def _result(self, turn: model_pb2.ModelMessage) -> Block:
        result: Block = {"type": "tool_result", "tool_use_id": _identity(turn.tool_call_id)}
        if blocks := await self._blocks(turn.content):
            result["content"] = blocks
        if turn.is_error:
            result["is_error"] = True
        return result

    async def _blocks(self, content: message_pb2.Message) -> list[Block]:
        blocks: list[Block] = []
        text = ""
        for segment in content.segments:
            if segment.HasField("image") and (image := await self._image(segment.image.media)):
                blocks += [*_written(text), image]
                text = ""
            else:
                text += _words(message_pb2.Message(segments=[segment]))
        return blocks + _written(text)

    async def _image(self, media: message_pb2.Media) -> Block | None:
        """A picture that the provider can read; None: it is put into words."""
        if not self._vision or (media.mime and media.mime not in IMAGE_TYPES):
            return None
        if media.url:
            return {"type": "image", "source": {"type": "url", "url": media.url}}
        if not media.blob_id:
            return None
        data = await self._read_blob(media.blob_id)
        self._left -= len(data)
        if self._left < 0:
            raise InvalidArgument(
                f"the pictures are above {LARGEST_IMAGES} bytes", metadata={"field": "messages.content"}
            )
        source = {
            "type": "base64",
            "media_type": media.mime or _guessed(data),
            "data": base64.b64encode(data).decode(),
        }
        return {"type": "image", "source": source}


def _answered(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Every call with its result in the next message and no result without its call, as the provider insists: a history that was
    cut or an answer that was stopped may lack one of both."""
    found: list[dict[str, Any]] = []
    calls: list[str] = []
    for message in messages:
        if message["role"] == "assistant":
            if not found:
                # The provider wants the user to begin.
                found.append({"role": "user", "content": _written(EMPTY)})
            calls = [block["id"] for block in message["content"] if block["type"] == "tool_use"]
            found.append(message)
        else:
            found.append({"role": "user", "content": _results_first(message["content"], calls)})
            calls = []
    if calls:
        found.append({"role": "user", "content": _results_first([], calls)})
    return found


def _results_first(blocks: list[Block], calls: list[str]) -> list[Block]:
    results: dict[str, Block] = {}
    others: list[Block] = []
    for block in blocks:
        if block["type"] != "tool_result":
            others.append(block)
        elif block["tool_use_id"] in calls and block["tool_use_id"] not in results:
            results[block["tool_use_id"]] = block
        else:
            others += block.get("content") or _written(EMPTY)
    missing = {"type": "tool_result", "content": "There is no result.", "is_error": True}
    return [*(results.get(call) or {**missing, "tool_use_id": call} for call in calls), *others]


def _words(content: message_pb2.Message) -> str:
    return convert.message_to_plain(content).plain()


def _written(text: str) -> list[Block]:
    return [{"type": "text", "text": text}] if text.strip() else []


def _identity(name: str) -> str:
    """Ids of other providers may hold what this one refuses."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", name) or "_"


def _input(arguments: str) -> dict[str, Any]:
    """Arguments as an object; what is none, as the model wrote it, in one."""
    try:
        found = json.loads(arguments or "{}")
    except (ValueError, RecursionError):
        found = None
    return found if isinstance(found, dict) else {"invalid": arguments}


def _guessed(data: bytes) -> str:
    if data.startswith(b"\x89PNG"):
        return "image/png"
    if data.startswith(b"GIF8"):
        return "image/gif"
    return "image/webp" if data[8:12] == b"WEBP" else "image/jpeg"
