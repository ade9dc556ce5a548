"""The pieces of an answer, put together. Whatever a provider sends, the result is bounded and of the right types."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from jackfield.v1 import model_pb2
from jackfield_sdk import PlatformError

LONGEST_TEXT = 400_000
LONGEST_ARGUMENTS = 128 * 1024
MOST_CALLS = 64
_REASONS = {
    "stop": model_pb2.FINISH_REASON_STOP,
    "tool_calls": model_pb2.FINISH_REASON_TOOL_CALLS,
    "function_call": model_pb2.FINISH_REASON_TOOL_CALLS,
    "length": model_pb2.FINISH_REASON_LENGTH,
    "content_filter": model_pb2.FINISH_REASON_FILTERED,
}


class Answer:
    """One answer while it comes. Raises PlatformError when it is too large."""

    def __init__(self, model: str) -> None:
        self._text = ""
        self._reasoning = ""
        self._calls: dict[int, model_pb2.ToolCall] = {}
        self._usage: model_pb2.ModelUsage | None = None
        self._model = model
        self._reason = ""

    @property
    def complete(self) -> bool:
        """Whether the provider said why it ended."""
        return bool(self._reason)

    def add(self, chunk: Any) -> Iterator[model_pb2.ChatResponse]:
        """A piece from the provider, as pieces of the contract."""
        if isinstance(model := getattr(chunk, "model", None), str) and model:
            self._model = model
        if (usage := getattr(chunk, "usage", None)) is not None:
            self._usage = _usage(usage)
        for choice in getattr(chunk, "choices", None) or ():
            if getattr(choice, "index", 0):
                continue
            if isinstance(reason := getattr(choice, "finish_reason", None), str):
                self._reason = reason
            if (delta := getattr(choice, "delta", None)) is not None:
                yield from self._delta(delta)

    def finish(self) -> model_pb2.ChatFinish:
        """The whole turn."""
        turn = model_pb2.ModelMessage(role=model_pb2.MODEL_ROLE_ASSISTANT, reasoning=self._reasoning)
        if self._text:
            turn.content.segments.add().text.text = self._text
        turn.tool_calls.extend(self._calls[index] for index in sorted(self._calls))
        # Some servers say "stop" although they call tools.
        reason = _REASONS.get(self._reason, model_pb2.FINISH_REASON_UNSPECIFIED)
        if turn.tool_calls and reason != model_pb2.FINISH_REASON_LENGTH:
            reason = model_pb2.FINISH_REASON_TOOL_CALLS
        return model_pb2.ChatFinish(reason=reason, message=turn, usage=self._usage, model=self._model)

    def _delta(self, delta: Any) -> Iterator[model_pb2.ChatResponse]:
        # Reasoning has no place in the official interface; servers use one of these two names.
        for name in ("reasoning_content", "reasoning"):
            if isinstance(reasoning := getattr(delta, name, None), str) and reasoning:
                self._reasoning = _grown(self._reasoning, reasoning, LONGEST_TEXT)
                yield model_pb2.ChatResponse(reasoning=reasoning)
                break
        for name in ("content", "refusal"):
            if isinstance(text := getattr(delta, name, None), str) and text:
                self._text = _grown(self._text, text, LONGEST_TEXT)
                yield model_pb2.ChatResponse(text=text)
        for position, piece in enumerate(getattr(delta, "tool_calls", None) or ()):
            yield self._call(piece, position)

    def _call(self, piece: Any, position: int) -> model_pb2.ChatResponse:
        index = getattr(piece, "index", None)
        if not isinstance(index, int):
            index = position
        if not 0 <= index < MOST_CALLS:
            raise PlatformError(f"the provider called more than {MOST_CALLS} tools at once")
        call = self._calls.setdefault(index, model_pb2.ToolCall())
        function = getattr(piece, "function", None)
        call_id, name, arguments = (
            value if isinstance(value, str) else ""
            for value in (
                getattr(piece, "id", None),
                getattr(function, "name", None),
                getattr(function, "arguments", None),
            )
        )
        call.id = call.id or call_id
        call.name = call.name or name
        call.arguments_json = _grown(call.arguments_json, arguments, LONGEST_ARGUMENTS)
        delta = model_pb2.ToolCallDelta(index=index, id=call_id, name=name, arguments_json=arguments)
        return model_pb2.ChatResponse(tool_call=delta)


def _grown(text: str, more: str, largest: int) -> str:
    if len(text) + len(more) > largest:
        raise PlatformError(f"the provider's answer is above {largest} characters")
    return text + more


def _usage(usage: Any) -> model_pb2.ModelUsage:
    read = getattr(usage, "prompt_tokens_details", None)
    written = getattr(usage, "completion_tokens_details", None)
    return model_pb2.ModelUsage(
        input_tokens=_count(usage, "prompt_tokens"),
        output_tokens=_count(usage, "completion_tokens"),
        cache_read_tokens=_count(read, "cached_tokens"),
        reasoning_tokens=_count(written, "reasoning_tokens"),
    )


def _count(source: Any, name: str) -> int:
    value = getattr(source, name, None)
    return value if isinstance(value, int) and 0 <= value < 2**63 else 0
