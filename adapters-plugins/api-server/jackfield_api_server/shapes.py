"""How an answer looks: whole, and in server-sent events, for each of the two interfaces."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable
from typing import Any, Protocol

from jackfield_api_server.failure import Failure

NO_USAGE = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}


class Shape(Protocol):
    """One answer. `id` is what clients call it."""

    id: str

    def whole(self, text: str) -> dict[str, Any]:
        """The answer as one body."""

    def begin(self) -> Iterable[bytes]:
        """What stands before the first word."""

    def grow(self, text: str) -> Iterable[bytes]:
        """Further words."""

    def end(self, text: str) -> Iterable[bytes]:
        """What follows the last word; `text` is everything that was sent."""

    def fail(self, failure: Failure) -> Iterable[bytes]:
        """The answer ends without its end."""


class ChatShape:
    """Chat completions."""

    def __init__(self, mark: str, model: str, created: int, usage: bool) -> None:
        self.id = f"chatcmpl-{mark}"
        self._about = {"id": self.id, "created": created, "model": model}
        self._usage = usage

    def whole(self, text: str) -> dict[str, Any]:
        message = {"role": "assistant", "content": text, "refusal": None}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
        return {**self._about, "object": "chat.completion", "choices": [choice], "usage": NO_USAGE}

    def begin(self) -> Iterable[bytes]:
        yield self._chunk({"role": "assistant", "content": ""})

    def grow(self, text: str) -> Iterable[bytes]:
        yield self._chunk({"content": text})

    def end(self, text: str) -> Iterable[bytes]:
        yield self._chunk({}, "stop")
        if self._usage:
            yield _event({**self._about, "object": "chat.completion.chunk", "choices": [], "usage": NO_USAGE})
        yield b"data: [DONE]\n\n"

    def fail(self, failure: Failure) -> Iterable[bytes]:
        yield _event({"error": failure.error()})

    def _chunk(self, delta: dict[str, str], finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return _event({**self._about, "object": "chat.completion.chunk", "choices": [choice]})


class ResponsesShape:
    """Responses."""

    def __init__(self, mark: str, model: str, created: int) -> None:
        self.id = f"resp_{mark}"
        self._item = f"msg_{mark}"
        self._model = model
        self._created = created
        self._numbers = itertools.count()

    def whole(self, text: str) -> dict[str, Any]:
        return self._response("completed", [self._message("completed", [_said(text)])])

    def begin(self) -> Iterable[bytes]:
        yield self._step("response.created", response=self._response("in_progress", []))
        yield self._step("response.in_progress", response=self._response("in_progress", []))
        yield self._step("response.output_item.added", output_index=0, item=self._message("in_progress", []))
        yield self._within("response.content_part.added", part=_said(""))

    def grow(self, text: str) -> Iterable[bytes]:
        yield self._within("response.output_text.delta", delta=text, logprobs=[])

    def end(self, text: str) -> Iterable[bytes]:
        yield self._within("response.output_text.done", text=text, logprobs=[])
        yield self._within("response.content_part.done", part=_said(text))
        item = self._message("completed", [_said(text)])
        yield self._step("response.output_item.done", output_index=0, item=item)
        yield self._step("response.completed", response=self.whole(text))

    def fail(self, failure: Failure) -> Iterable[bytes]:
        yield self._step("error", code=failure.code, message=failure.message, param=failure.param)

    def _within(self, kind: str, **fields: Any) -> bytes:
        return self._step(kind, item_id=self._item, output_index=0, content_index=0, **fields)

    def _step(self, kind: str, **fields: Any) -> bytes:
        number = next(self._numbers)
        return f"event: {kind}\n".encode() + _event({"type": kind, "sequence_number": number, **fields})

    def _message(self, status: str, content: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            "type": "message",
            "id": self._item,
            "status": status,
            "role": "assistant",
            "content": content,
        }

    def _response(self, status: str, output: list[dict[str, Any]]) -> dict[str, Any]:
        usage = {
            "input_tokens": 0, "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": 0, "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": 0,
        }  # fmt: skip
        return {
            "id": self.id, "object": "response", "created_at": self._created, "status": status, "model": self._model,
            "output": output, "error": None, "incomplete_details": None, "instructions": None, "metadata": {},
            "parallel_tool_calls": False, "tool_choice": "none", "tools": [], "temperature": None, "top_p": None,
            "usage": usage if status == "completed" else None,
        }  # fmt: skip


def _said(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _event(content: dict[str, Any]) -> bytes:
    return f"data: {json.dumps(content, ensure_ascii=False)}\n\n".encode()
