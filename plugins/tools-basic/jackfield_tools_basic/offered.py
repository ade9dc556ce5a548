"""What the tools are called and take."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jackfield.v1 import tool_pb2
from jackfield_sdk import wellknown

MAX_NOTE = 1000


def offered(targets: Sequence[str]) -> list[tool_pb2.Tool]:
    """The tools by name; `send_message` only where it may write somewhere."""
    tools = [
        _tool(
            "recall",
            "Lists the notes that were remembered in this chat.",
            tool_pb2.TOOL_DANGER_SAFE,
        ),
        _tool(
            "remember",
            "Remembers a short note for this chat. Use it when the user asks to remember something.",
            tool_pb2.TOOL_DANGER_MUTATING,
            text={"type": "string", "minLength": 1, "maxLength": MAX_NOTE},
        ),
        _tool("time_now", "Tells the present date and time.", tool_pb2.TOOL_DANGER_SAFE),
    ]
    if targets:
        send = _tool(
            "send_message",
            "Sends a text message to another chat.",
            tool_pb2.TOOL_DANGER_DESTRUCTIVE,
            target={"type": "string", "enum": list(targets)},
            text={"type": "string", "minLength": 1, "maxLength": 4000},
        )
        tools.insert(2, send)
    return tools


def _tool(
    name: str, description: str, danger: tool_pb2.ToolDanger.ValueType, **arguments: dict[str, Any]
) -> tool_pb2.Tool:
    schema = {
        "type": "object",
        "properties": arguments,
        "required": list(arguments),
        "additionalProperties": False,
    }
    return tool_pb2.Tool(
        name=name, description=description, danger=danger, input_schema=wellknown.struct_to_proto(schema)
    )
