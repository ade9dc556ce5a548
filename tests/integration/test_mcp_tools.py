"""An MCP server's tool, called by the agent under a real kernel; one server down beside it; the plugin killed."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

import psutil
import pytest

from tests.rig.command import Installation
from tests.rig.onebot import OneBotClient

pytestmark = [pytest.mark.slow, pytest.mark.chaos]

OWN = Path(__file__).parents[2] / "plugins/mcp/tests/own_server.py"
RULE = {"id": "agent", "event": "message.received", "handler": "agent", "timeout": "1800s"}


async def up(installation: Installation, times: int) -> None:
    """Wait until the server came up so often."""
    log = installation.folder / "data/logs/mcp.log"
    async with asyncio.timeout(30):
        while not log.exists() or log.read_text().count("MCP server own is up") < times:
            await asyncio.sleep(0.05)


async def test_the_agent_uses_a_server_s_tool(tmp_path: Path) -> None:
    installation = Installation(tmp_path)
    path = tmp_path / "jackfield.yaml"
    config = json.loads(path.read_text())
    servers = [
        {"name": "own", "command": sys.executable, "args": [str(OWN), str(tmp_path)]},
        {"name": "bad", "command": "/nowhere/nothing"},
    ]
    config["plugins"] |= {
        "mcp": {"config": {"servers": servers}},
        "router": {"config": {"default_rules": [RULE]}},
    }
    path.write_text(json.dumps(config))
    await installation.run()
    try:
        async with OneBotClient(installation.onebot) as client:
            await up(installation, 1)
            await client.say('use own_add {"a": 20, "b": 22}')
            assert "42" in (await client.until(1))[0]
            status = await installation.ask("status")
            plugin = next(one for one in status["plugins"] if one["name"] == "mcp")
            assert plugin["state"] == "ACTIVE"
            assert "MCP server bad is down: FileNotFoundError" in json.dumps(status)
            children = psutil.Process(plugin_pid := int(plugin["pid"])).children(recursive=True)
            assert children
            os.kill(plugin_pid, signal.SIGKILL)
            await up(installation, 2)
            await client.say('use own_add {"a": 1, "b": 2}')
            assert "3" in (await client.until(2))[1]
            assert not [child for child in children if child.is_running()]
    finally:
        await installation.stop()
