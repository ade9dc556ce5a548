"""A server by hand, without a library that keeps its stdout clean: `python rude_server.py <folder>`."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

TOOLS = ("add", "garbage", "flood", "nonsense", "hang", "grow")
OUT = sys.stdout.buffer


def answer(request: dict[str, Any]) -> dict[str, Any] | None:
    """The result of a request; None for an error."""
    match request["method"]:
        case "initialize":
            version = request["params"]["protocolVersion"]
            capabilities = {"tools": {"listChanged": True}}
            server = {"name": "rude", "version": "1"}
            return {"protocolVersion": version, "capabilities": capabilities, "serverInfo": server}
        case "tools/list":
            return {"tools": [{"name": name, "inputSchema": {"type": "object"}} for name in tools]}
        case "tools/call":
            return {"content": [{"type": "text", "text": act(request["params"]["name"])}]}
    return None


def act(name: str) -> str:
    """Misbehave."""
    match name:
        case "garbage":
            OUT.write(b"this is no message\n\xff\xfe\n{}\n[]\n")
        case "flood":
            for _ in range(20):
                OUT.write(b"x" * (1 << 20))
        case "nonsense":
            OUT.write(b"nonsense\n" * 500)
        case "hang":
            time.sleep(600)
        case "grow":
            tools.append("grown")
            OUT.write(b'{"jsonrpc": "2.0", "method": "notifications/tools/list_changed"}\n')
    OUT.flush()
    return "still here"


if __name__ == "__main__":
    tools = list(TOOLS)
    with (Path(sys.argv[1]) / "starts").open("a") as starts:
        starts.write("x")
    for line in sys.stdin:
        message = json.loads(line)
        if "id" not in message:
            continue
        result = answer(message)
        end = {"result": result} if result is not None else {"error": {"code": -32601, "message": "unknown"}}
        OUT.write(json.dumps({"jsonrpc": "2.0", "id": message["id"], **end}).encode() + b"\n")
        OUT.flush()
