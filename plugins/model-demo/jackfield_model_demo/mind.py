"""What the demo model says: rules over the conversation, the same for the same conversation."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from jackfield.v1 import message_pb2, model_pb2, tool_pb2

LABEL = "(demo model, no real one)"
_NAME = re.compile(r"\bmy name is ([\w'-]+)", re.IGNORECASE)
_ASKED_NAME = re.compile(r"\b(what is|what's|whats|do you know) my name\b", re.IGNORECASE)
_TIME = re.compile(r"\b(what time|what is the time|the time now|what day|what date)\b", re.IGNORECASE)
_REMEMBER = re.compile(r"^\s*remember(?: that)? (.+)", re.IGNORECASE | re.DOTALL)
_RECALL = re.compile(r"\bwhat did i (?:ask|tell) you to remember\b|\bwhat do you remember\b", re.IGNORECASE)
_USE = re.compile(r"^\s*use ([A-Za-z][\w-]*)\s*(.*)$", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Thought:
    """What the model does next: says something, or calls tools by (name, arguments as JSON text)."""

    text: str = ""
    calls: list[tuple[str, str]] = field(default_factory=list)


def think(request: model_pb2.ChatRequest) -> Thought:
    """The next turn."""
    messages = request.messages
    last = messages[-1]
    if last.role == model_pb2.MODEL_ROLE_TOOL:
        return Thought(_report(messages))
    if any("summarise" in said(one).lower() for one in messages if one.role == model_pb2.MODEL_ROLE_SYSTEM):
        return Thought(_summary(messages))
    text = said(last)
    may_call = request.tool_choice != model_pb2.TOOL_CHOICE_NONE
    call = _wanted(text, request.tools) if may_call else None
    if call is not None:
        return Thought(calls=[call])
    return Thought(f"{_answer(text, messages, request.tools)} {LABEL}")


def said(message: model_pb2.ModelMessage) -> str:
    """The text of a turn; media as a word in brackets."""
    return "".join(_words(segment) for segment in message.content.segments)


def call_id(request: model_pb2.ChatRequest, index: int) -> str:
    """Id of a tool call: the same for the same conversation."""
    digest = hashlib.sha256(request.SerializeToString(deterministic=True)).hexdigest()
    return f"demo_{digest[:16]}_{index}"


def _words(segment: message_pb2.Segment) -> str:
    kind = segment.WhichOneof("content") or "unknown"
    return segment.text.text if kind == "text" else f"[{kind}]"


def _wanted(text: str, tools: Sequence[tool_pb2.Tool]) -> tuple[str, str] | None:
    """The tool call that the words ask for."""
    names = {tool.name: tool for tool in tools}
    if (use := _USE.match(text)) and use[1] in names:
        return use[1], use[2].strip() or "{}"
    if _TIME.search(text) and (tool := _fitting(tools, "time")):
        return tool, "{}"
    if (wish := _REMEMBER.match(text)) and (tool := _fitting(tools, "remember")):
        return tool, json.dumps({"text": wish[1].strip()}, ensure_ascii=False)
    if _RECALL.search(text) and (tool := _fitting(tools, "recall")):
        return tool, "{}"
    return None


def _fitting(tools: Sequence[tool_pb2.Tool], word: str) -> str:
    """The first tool whose name holds the word, else whose description does; "" without one."""
    by_name = next((tool.name for tool in tools if word in tool.name.lower()), "")
    return by_name or next((tool.name for tool in tools if word in tool.description.lower()), "")


def _answer(text: str, messages: Sequence[model_pb2.ModelMessage], tools: Sequence[tool_pb2.Tool]) -> str:
    if name := _NAME.search(text):
        return f"Hello {name[1]}, I will remember your name."
    if _ASKED_NAME.search(text):
        known = _told_name(messages)
        return f"Your name is {known}." if known else "You have not told me your name."
    if "[image]" in text:
        return "You sent a picture; I cannot see, but it arrived."
    if not text.strip():
        return "You sent nothing that I can read."
    offered = ", ".join(tool.name for tool in tools)
    hint = f" Tools on offer: {offered}." if offered and re.search(r"\btools?\b", text, re.IGNORECASE) else ""
    return f'You said "{text.strip()[:500]}".{hint}'


def _told_name(messages: Sequence[model_pb2.ModelMessage]) -> str:
    for message in reversed(messages[:-1]):
        if message.role == model_pb2.MODEL_ROLE_USER and (name := _NAME.search(said(message))):
            return name[1]
        if (kept := re.search(r"name: ([\w'-]+)", said(message))) and "Summary" in said(message):
            return kept[1]
    return ""


def _report(messages: Sequence[model_pb2.ModelMessage]) -> str:
    """What the tools answered since the model called them."""
    answers: list[str] = []
    for message in reversed(messages):
        if message.role != model_pb2.MODEL_ROLE_TOOL:
            break
        answers.insert(0, ("It failed: " if message.is_error else "") + said(message))
    return f"{' '.join(answers) or 'The tool said nothing.'} {LABEL}"


def _summary(messages: Sequence[model_pb2.ModelMessage]) -> str:
    name = _told_name(messages)
    users = sum(one.role == model_pb2.MODEL_ROLE_USER for one in messages)
    return f"Summary of {users} messages." + (f" The user's name: {name}." if name else "")


def usage_of(request: model_pb2.ChatRequest, text: str) -> dict[str, Any]:
    """Words, told as tokens."""
    read = sum(len(said(message).split()) for message in request.messages)
    return {"input_tokens": read, "output_tokens": len(text.split())}
