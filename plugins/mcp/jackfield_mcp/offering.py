"""Which tools of the servers are offered, under which names."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable
from dataclasses import dataclass

from jackfield.v1 import tool_pb2
from jackfield_sdk import wellknown
from mcp.types import Tool

from jackfield_mcp.connection import Connection
from jackfield_mcp.settings import Server

LONGEST_NAME = 64
LONGEST_DESCRIPTION = 4000
LARGEST_SCHEMA = 64 * 1024
_DANGER = {
    "safe": tool_pb2.TOOL_DANGER_SAFE,
    "mutating": tool_pb2.TOOL_DANGER_MUTATING,
    "destructive": tool_pb2.TOOL_DANGER_DESTRUCTIVE,
}


@dataclass(frozen=True, slots=True)
class Offered:
    """A tool under its name here."""

    tool: tool_pb2.Tool
    connection: Connection
    name: str

    @property
    def harmless(self) -> bool:
        """Whether it may run twice."""
        return self.tool.danger == tool_pb2.TOOL_DANGER_SAFE


def offered(connections: Iterable[Connection]) -> tuple[dict[str, Offered], list[str]]:
    """The tools by name, and a word about each that is refused. Of two with one name neither is offered."""
    found: dict[str, list[Offered]] = {}
    refused: list[str] = []
    for connection in connections:
        for tool in connection.tools:
            if not _allowed(connection.server, tool.name):
                continue
            name = re.sub(r"[^A-Za-z0-9_-]", "_", f"{connection.server.name}_{tool.name}")
            made = _tool(connection.server, tool, name)
            if len(name) > LONGEST_NAME:
                refused.append(f"{name[:80]} is longer than {LONGEST_NAME} characters")
            elif made is None:
                refused.append(
                    f"{name} has a schema above {LARGEST_SCHEMA >> 10} KiB or none that can be read"
                )
            else:
                found.setdefault(name, []).append(Offered(made, connection, tool.name))
    refused += [
        f"{name} is the name of {len(tools)} tools" for name, tools in found.items() if len(tools) > 1
    ]
    return {name: tools[0] for name, tools in sorted(found.items()) if len(tools) == 1}, refused


def danger_of(server: Server, tool: Tool) -> tool_pb2.ToolDanger.ValueType:
    """The operator's word, else the server's hints; without any a tool destroys, as the specification has it."""
    for pattern, danger in server.danger.items():
        if fnmatch.fnmatchcase(tool.name, pattern):
            return _DANGER[danger]
    hints = tool.annotations if server.trust_hints else None
    if hints is not None and hints.read_only_hint:
        return tool_pb2.TOOL_DANGER_SAFE
    if hints is not None and hints.destructive_hint is False:
        return tool_pb2.TOOL_DANGER_MUTATING
    return tool_pb2.TOOL_DANGER_DESTRUCTIVE


def _allowed(server: Server, name: str) -> bool:
    def fits(patterns: Iterable[str]) -> bool:
        return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)

    return fits(server.allow) and not fits(server.deny)


def _tool(server: Server, tool: Tool, name: str) -> tool_pb2.Tool | None:
    made = tool_pb2.Tool(
        name=name,
        title=(tool.title or "")[:200],
        description=(tool.description or tool.title or tool.name)[:LONGEST_DESCRIPTION],
        danger=danger_of(server, tool),
    )
    try:
        made.input_schema.CopyFrom(wellknown.struct_to_proto(tool.input_schema))
    except (ValueError, TypeError, RecursionError):
        return None
    return made if made.ByteSize() <= LARGEST_SCHEMA else None
