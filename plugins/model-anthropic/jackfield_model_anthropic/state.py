"""The signed blocks of a turn, as the bytes that come back with it.

The provider wants its thinking back unchanged and in its place among texts and calls, or not at all. Texts and calls stand in the
turn already, so the state holds them only as marks of where they stood."""

from __future__ import annotations

import json
from typing import Any

FORM = "anthropic-1"
SIGNED = ("thinking", "redacted_thinking")


def packed(blocks: list[dict[str, Any]], model: str) -> bytes:
    """The state of a turn; empty when nothing in it is signed. `model` as it was asked."""
    if not any(block["type"] in SIGNED for block in blocks):
        return b""
    return json.dumps({"form": FORM, "model": model, "blocks": [_mark(block) for block in blocks]}).encode()


def restored(state: bytes, blocks: list[dict[str, Any]], model: str) -> list[dict[str, Any]]:
    """The turn's blocks with the signed ones in their places. Foreign, damaged or another model's state is left out;
    of a turn that was changed since only the thinking before its first word comes back."""
    marks = _marks(state, model)
    texts = "".join(block["text"] for block in blocks if block["type"] == "text")
    calls = [block for block in blocks if block["type"] == "tool_use"]
    place, number, found = 0, 0, []
    for mark in marks:
        if mark["type"] in SIGNED:
            found.append(mark)
        elif mark["type"] == "text":
            if text := texts[place : place + mark["length"]]:
                found.append({"type": "text", "text": text})
            place += mark["length"]
        elif number < len(calls):
            found.append(calls[number])
            number += 1
    if place == len(texts) and number == len(calls) == sum(mark["type"] == "tool_use" for mark in marks):
        return found
    first = next((n for n, mark in enumerate(marks) if mark["type"] not in SIGNED), len(marks))
    return [*marks[:first], *blocks]


def _mark(block: dict[str, Any]) -> dict[str, Any]:
    if block["type"] in SIGNED:
        return block
    if block["type"] == "text":
        return {"type": "text", "length": len(block["text"])}
    return {"type": "tool_use"}


def _marks(state: bytes, model: str) -> list[dict[str, Any]]:
    try:
        found = json.loads(state) if state else None
    except (ValueError, RecursionError):
        return []
    if not isinstance(found, dict) or found.get("form") != FORM or found.get("model") != model:
        return []
    blocks = found.get("blocks")
    return blocks if isinstance(blocks, list) and all(_whole(block) for block in blocks) else []


def _whole(block: Any) -> bool:
    if not isinstance(block, dict):
        return False
    match block.get("type"):
        case "thinking":
            return isinstance(block.get("thinking"), str) and isinstance(block.get("signature"), str)
        case "redacted_thinking":
            return isinstance(block.get("data"), str)
        case "text":
            length = block.get("length")
            return isinstance(length, int) and length >= 0
    return block.get("type") == "tool_use"
