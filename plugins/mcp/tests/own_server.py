"""A server made with the official library, that does whatever a test asks: `python own_server.py <folder> [http <port>]`."""

from __future__ import annotations

import asyncio
import base64
import os
import sys
from pathlib import Path

from mcp.server.mcpserver import Context, Image, MCPServer
from mcp.types import ToolAnnotations

FOLDER = Path(sys.argv[1])
server = MCPServer("own")


@server.tool(annotations=ToolAnnotations(read_only_hint=True))
def add(a: int, b: int) -> int:
    """Adds."""
    return a + b


@server.tool(annotations=ToolAnnotations(destructive_hint=False))
def picture() -> Image:
    """A picture."""
    pixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
    return Image(data=base64.b64decode(pixel), format="png")


@server.tool()
def fail() -> str:
    """Fails."""
    raise ValueError("no luck")


@server.tool()
def long() -> str:
    """Says much."""
    return "x" * 200_000


@server.tool()
async def slow(ctx: Context) -> str:
    """Takes its time, and notes how it ended."""
    (FOLDER / "began").touch()
    await ctx.report_progress(1, 4, "a quarter")
    try:
        await asyncio.sleep(600)
    except BaseException:
        (FOLDER / "cancelled").touch()
        raise
    return "done"


@server.tool()
def die() -> str:
    """Dies in the middle."""
    os._exit(3)


@server.tool(name="a" * 70)
def too_long() -> str:
    """Has a name that is too long."""
    return ""


if __name__ == "__main__":
    (FOLDER / "starts").open("a").write("x")
    if len(sys.argv) > 2:
        server.run(sys.argv[2], host="127.0.0.1", port=int(sys.argv[3]))  # type: ignore[call-overload]
    else:
        server.run("stdio")
