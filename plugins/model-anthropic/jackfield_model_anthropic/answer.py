"""The events of an answer, put together block by block. Whatever comes, the result is bounded and of the right types."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from jackfield.v1 import model_pb2
from jackfield_sdk import PlatformError

from jackfield_model_anthropic.state import packed

LONGEST_TEXT = 400_000
LONGEST_ARGUMENTS = 128 * 1024
MOST_BLOCKS = 256
MOST_CALLS = 64
_REASONS = {
    "end_turn": model_pb2.FINISH_REASON_STOP,
    "stop_sequence": model_pb2.FINISH_REASON_STOP,
    "tool_use": model_pb2.FINISH_REASON_TOOL_CALLS,
    "max_tokens": model_pb2.FINISH_REASON_LENGTH,
    "model_context_window_exceeded": model_pb2.FINISH_REASON_LENGTH,
    "refusal": model_pb2.FINISH_REASON_FILTERED,
}
_COUNTS = ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")


class Answer:
    """One answer while it comes. Raises PlatformError when it is too large."""

    def __init__(self, model: str) -> None:
        self._asked = model
        self._model = model
        self._reason = ""
        self._blocks: dict[int, dict[str, Any]] = {}
        self._length = 0
        self._counts: dict[str, int] = {}

    @property
    def complete(self) -> bool:
        """Whether the provider said why it ended."""
        return bool(self._reason)

    def add(self, event: Any) -> Iterator[model_pb2.ChatResponse]:
        """An event from the provider, as pieces of the contract."""
        match getattr(event, "type", None):
            case "message_start":
                message = getattr(event, "message", None)
                self._model = _text(message, "model") or self._model
                self._count(getattr(message, "usage", None))
            case "content_block_start":
                yield from self._start(_index(event), getattr(event, "content_block", None))
            case "content_block_delta":
                yield from self._delta(self._blocks.get(_index(event)), getattr(event, "delta", None))
            case "message_delta":
                self._reason = _text(getattr(event, "delta", None), "stop_reason") or self._reason
                self._count(getattr(event, "usage", None))

    def finish(self) -> model_pb2.ChatFinish:
        """The whole turn."""
        blocks = [self._blocks[index] for index in sorted(self._blocks)]
        turn = model_pb2.ModelMessage(role=model_pb2.MODEL_ROLE_ASSISTANT)
        turn.reasoning = "\n\n".join(block["thinking"] for block in blocks if block.get("thinking"))
        if text := "".join(block["text"] for block in blocks if block["type"] == "text"):
            turn.content.segments.add().text.text = text
        for block in blocks:
            if block["type"] == "tool_use":
                turn.tool_calls.add(id=block["id"], name=block["name"], arguments_json=block["arguments"])
        turn.provider_state = packed(blocks, self._asked)
        reason = _REASONS.get(self._reason, model_pb2.FINISH_REASON_UNSPECIFIED)
        return model_pb2.ChatFinish(reason=reason, message=turn, usage=self._usage(), model=self._model)

    def _start(self, index: int, block: Any) -> Iterator[model_pb2.ChatResponse]:
        if index in self._blocks:
            raise PlatformError("the provider began a part of its answer twice")
        if not 0 <= index < MOST_BLOCKS:
            raise PlatformError(f"the provider's answer has more than {MOST_BLOCKS} parts")
        match kind := getattr(block, "type", None):
            case "text":
                self._blocks[index] = {"type": kind, "text": ""}
                yield from self._grow(self._blocks[index], "text", _text(block, "text"))
            case "thinking":
                self._blocks[index] = {"type": kind, "thinking": "", "signature": ""}
                yield from self._grow(self._blocks[index], "thinking", _text(block, "thinking"))
                yield from self._grow(self._blocks[index], "signature", _text(block, "signature"))
            case "redacted_thinking":
                self._blocks[index] = {"type": kind, "data": ""}
                yield from self._grow(self._blocks[index], "data", _text(block, "data"))
            case "tool_use":
                yield self._call(index, block)

    def _call(self, index: int, block: Any) -> model_pb2.ChatResponse:
        number = sum(one["type"] == "tool_use" for one in self._blocks.values())
        if number == MOST_CALLS:
            raise PlatformError(f"the provider called more than {MOST_CALLS} tools at once")
        # Its arguments come in pieces; some gateways put them here, whole.
        whole = getattr(block, "input", None)
        call = {
            "type": "tool_use",
            "number": number,
            "id": _text(block, "id"),
            "name": _text(block, "name"),
            "arguments": json.dumps(whole) if isinstance(whole, dict) and whole else "",
        }
        if not call["id"] or not call["name"]:
            raise PlatformError("the provider called a tool without a name or an id")
        if len(call["arguments"]) > LONGEST_ARGUMENTS:
            raise PlatformError(f"arguments of a tool are above {LONGEST_ARGUMENTS} characters")
        self._blocks[index] = call
        delta = model_pb2.ToolCallDelta(
            index=number, id=call["id"], name=call["name"], arguments_json=call["arguments"]
        )
        return model_pb2.ChatResponse(tool_call=delta)

    def _delta(self, block: dict[str, Any] | None, delta: Any) -> Iterator[model_pb2.ChatResponse]:
        match block and block["type"], getattr(delta, "type", None):
            case "text", "text_delta":
                yield from self._grow(block, "text", _text(delta, "text"))
            case "thinking", "thinking_delta":
                yield from self._grow(block, "thinking", _text(delta, "thinking"))
            case "thinking", "signature_delta":
                yield from self._grow(block, "signature", _text(delta, "signature"))
            case "tool_use", "input_json_delta":
                yield from self._grow(block, "arguments", _text(delta, "partial_json"))

    def _grow(self, block: dict[str, Any] | None, field: str, more: str) -> Iterator[model_pb2.ChatResponse]:
        if block is None or not more:
            return
        self._length += len(more)
        if self._length > LONGEST_TEXT:
            raise PlatformError(f"the provider's answer is above {LONGEST_TEXT} characters")
        block[field] += more
        if field == "text":
            yield model_pb2.ChatResponse(text=more)
        elif field == "thinking":
            yield model_pb2.ChatResponse(reasoning=more)
        elif field == "arguments":
            if len(block[field]) > LONGEST_ARGUMENTS:
                raise PlatformError(f"arguments of a tool are above {LONGEST_ARGUMENTS} characters")
            piece = model_pb2.ToolCallDelta(index=block["number"], arguments_json=more)
            yield model_pb2.ChatResponse(tool_call=piece)

    def _count(self, usage: Any) -> None:
        """Later counts replace earlier ones: they are totals."""
        details = getattr(usage, "output_tokens_details", None)
        for source, name in ((details, "thinking_tokens"), *((usage, name) for name in _COUNTS)):
            value = getattr(source, name, None)
            if isinstance(value, int) and 0 <= value < 2**60:
                self._counts[name] = value

    def _usage(self) -> model_pb2.ModelUsage | None:
        if not self._counts:
            return None
        read = self._counts.get("cache_read_input_tokens", 0)
        written = self._counts.get("cache_creation_input_tokens", 0)
        return model_pb2.ModelUsage(
            # The provider counts what the cache took apart.
            input_tokens=self._counts.get("input_tokens", 0) + read + written,
            output_tokens=self._counts.get("output_tokens", 0),
            cache_read_tokens=read,
            cache_write_tokens=written,
            reasoning_tokens=self._counts.get("thinking_tokens", 0),
        )


def _index(event: Any) -> int:
    index = getattr(event, "index", None)
    return index if isinstance(index, int) else -1


def _text(source: Any, name: str) -> str:
    value = getattr(source, name, None)
    if not isinstance(value, str):
        return ""
    # Half a pair of a surrogate fits into no message.
    return value.encode("utf-8", "replace").decode()
