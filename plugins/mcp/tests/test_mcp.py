"""Servers as real processes, and the tools that they become."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shutil
import socket
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from jackfield.v1 import tool_pb2
from jackfield_mcp.connection import Connection
from jackfield_mcp.offering import offered
from jackfield_mcp.servicer import McpTools, build
from jackfield_mcp.settings import Server, servers_of
from jackfield_sdk import (
    DeadlineExceeded,
    InvalidArgument,
    JackfieldError,
    NotFound,
    OutcomeUnknown,
    Target,
    Unavailable,
    wellknown,
)
from jackfield_sdk.testing import FakeKernel, RunningPlugin
from mcp.types import Tool

pytestmark = pytest.mark.slow

OWN = Path(__file__).with_name("own_server.py")
RUDE = Path(__file__).with_name("rude_server.py")
EVERYTHING = (
    Path(__file__).parents[3] / "tests/platforms/mcp/node_modules/@modelcontextprotocol/server-everything"
)
SERVICE = "/jackfield.v1.Tools/"


@dataclass
class House:
    """A running plugin."""

    kernel: FakeKernel
    running: RunningPlugin
    servicer: McpTools

    async def tools(self) -> dict[str, tool_pb2.Tool]:
        listed = await self.kernel.call_service(
            SERVICE + "ListTools", tool_pb2.ListToolsRequest(), tool_pb2.ListToolsResponse
        )
        return {tool.name: tool for tool in listed.tools}

    async def until(self, name: str) -> dict[str, tool_pb2.Tool]:
        """Wait for a tool."""
        async with asyncio.timeout(30):
            while name not in (tools := await self.tools()):
                await asyncio.sleep(0.05)
        return tools

    def open(self, name: str, **arguments: Any) -> Any:
        request = tool_pb2.CallToolRequest(name=name, arguments=wellknown.struct_to_proto(arguments))
        target = Target(plugin="mcp")
        return self.kernel.open_call(SERVICE + "CallTool", request, target=target, server_streaming=True)

    async def run(self, name: str, **arguments: Any) -> tool_pb2.ToolResult:
        call = self.open(name, **arguments)
        result = tool_pb2.ToolResult()
        while (body := await call.read()) is not None:
            result = tool_pb2.CallToolResponse.FromString(body).result
        return result

    def look(self, server: str) -> None:
        """Let the server's tools be listed now."""
        self.servicer._connections[server][0]._stale.set()

    @property
    def reason(self) -> str:
        """What the operator reads."""
        return "; ".join(warning.message for warning in self.running.session.report.warnings)


@contextlib.asynccontextmanager
async def house(*servers: dict[str, Any], **config: Any) -> AsyncIterator[House]:
    async with FakeKernel() as kernel:
        servicer = McpTools(first_pause=0.05)
        plugin = build(servicer)
        async with kernel.running(plugin, config={"servers": list(servers), **config}) as running:
            yield House(kernel, running, servicer)


def own(folder: Path, name: str = "own", **fields: Any) -> dict[str, Any]:
    return {"name": name, "command": sys.executable, "args": [str(OWN), str(folder)], **fields}


def rude(folder: Path, **fields: Any) -> dict[str, Any]:
    return {"name": "bad", "command": sys.executable, "args": [str(RUDE), str(folder)], **fields}


def text_of(result: tool_pb2.ToolResult) -> str:
    return "".join(segment.text.text for segment in result.content.segments)


async def test_tools_and_their_results(tmp_path: Path) -> None:
    async with house(own(tmp_path, danger={"l*": "safe"})) as it:
        tools = await it.until("own_add")
        dangers = {name: tool_pb2.ToolDanger.Name(tool.danger)[12:] for name, tool in tools.items()}
        assert dangers["own_add"] == dangers["own_long"] == "SAFE"
        assert (dangers["own_picture"], dangers["own_fail"]) == ("MUTATING", "DESTRUCTIVE")
        assert wellknown.struct_to_plain(tools["own_add"].input_schema)["required"] == ["a", "b"]
        added = await it.run("own_add", a=1, b=2)
        assert text_of(added) == "3"
        assert wellknown.struct_to_plain(added.structured) == {"result": 3}
        (segment,) = (await it.run("own_picture")).content.segments
        assert it.kernel.state.blobs[segment.image.media.blob_id].startswith(b"\x89PNG")
        failed = await it.run("own_fail")
        assert failed.is_error
        assert "Error executing" in text_of(failed)
        assert len(text_of(await it.run("own_long"))) < 101_000
        assert not any(len(name) > 64 for name in tools)
        assert "longer than 64" in it.reason
        with pytest.raises(NotFound):
            await it.run("own_nothing")


async def test_only_what_the_operator_allows(tmp_path: Path) -> None:
    async with house(own(tmp_path, allow=["add", "d*"], deny=["die"])) as it:
        assert list(await it.until("own_add")) == ["own_add"]


def test_one_name_for_two_tools_is_offered_for_none() -> None:
    def connection(name: str, *tools: str) -> Connection:
        made = Connection(Server(name, command="x"), logging.getLogger("test"), lambda: None)
        made.tools = [Tool(name=tool, input_schema={"type": "object"}) for tool in tools]
        return made

    tools, refused = offered([connection("a", "b_c", "d.e", "d_e"), connection("other", "f")])
    assert list(tools) == ["a_b_c", "other_f"]
    assert refused == ["a_d_e is the name of 2 tools"]


@pytest.mark.parametrize(
    ("harm", "why"),
    [
        ("flood", "above 8 MiB"),
        ("nonsense", "no messages"),
        ("die", "closed its stdout"),
        ("hang", "did not answer"),
    ],
)
async def test_a_server_that_misbehaves_costs_its_own_tools_alone(
    tmp_path: Path, harm: str, why: str
) -> None:
    bad, good = tmp_path / "bad", tmp_path / "good"
    bad.mkdir()
    good.mkdir()
    server = own(bad, "bad") if harm == "die" else rude(bad, call_seconds=0.5, connect_seconds=2.0)
    async with house(server, own(good, "good")) as it:
        await it.until("bad_add")
        await it.until("good_add")
        with pytest.raises((OutcomeUnknown, DeadlineExceeded), match=why):
            await it.run(f"bad_{harm}")
        assert text_of(await it.run("good_add", a=1, b=1)) == "2"
        if harm == "hang":
            # Nobody knows yet that it hangs for good; the next look at its tools tells.
            it.look("bad")
        async with asyncio.timeout(20):
            while (bad / "starts").read_text() == "x":
                await asyncio.sleep(0.05)
        await it.until("bad_add")
    assert (good / "starts").read_text() == "x"


async def test_garbage_between_messages_is_passed_over(tmp_path: Path) -> None:
    async with house(rude(tmp_path)) as it:
        await it.until("bad_garbage")
        assert text_of(await it.run("bad_garbage")) == "still here"
        assert (tmp_path / "starts").read_text() == "x"


async def test_a_new_tool_is_offered_when_the_server_says_so(tmp_path: Path) -> None:
    async with house(rude(tmp_path)) as it:
        await it.until("bad_grow")
        await it.run("bad_grow")
        await it.until("bad_grown")


async def test_cancelling_reaches_the_server(tmp_path: Path) -> None:
    async with house(own(tmp_path)) as it:
        await it.until("own_slow")
        call = it.open("own_slow")
        first = tool_pb2.CallToolResponse.FromString(await call.read())
        assert (first.progress.fraction, first.progress.text) == (0.25, "a quarter")
        call.cancel()
        await _exists(tmp_path / "cancelled")


async def test_a_call_that_takes_too_long_is_stopped(tmp_path: Path) -> None:
    async with house(own(tmp_path, call_seconds=0.5)) as it:
        await it.until("own_slow")
        with pytest.raises(DeadlineExceeded):
            await it.run("own_slow")
        await _exists(tmp_path / "cancelled")


@pytest.mark.parametrize(
    ("server", "why"),
    [
        ({"command": "/nowhere/nothing"}, "FileNotFoundError"),
        ({"command": "sleep", "args": ["600"], "connect_seconds": 0.3}, "did not answer in time"),
        ({"command": "true"}, "closed its stdout"),
        ({"url": "http://127.0.0.1:9/mcp"}, "Connect"),
        ({"url": "http://127.0.0.1:9/mcp", "transport": "sse"}, "Connect"),
    ],
)
async def test_a_server_that_does_not_come_up_is_named(
    tmp_path: Path, server: dict[str, Any], why: str
) -> None:
    async with house({"name": "bad", **server}, own(tmp_path)) as it:
        await it.until("own_add")
        async with asyncio.timeout(10):
            while "MCP server bad is down" not in it.reason:
                await asyncio.sleep(0.02)
        assert why in it.reason
        with pytest.raises(Unavailable, match="bad"):
            await it.run("bad_tool")


@pytest.mark.parametrize("transport", ["streamable-http", "sse"])
async def test_servers_over_http(tmp_path: Path, transport: str) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(OWN), str(tmp_path), transport, str(port)
    )
    try:
        path, kind = ("sse", "sse") if transport == "sse" else ("mcp", "http")
        server = {"name": "own", "url": f"http://127.0.0.1:{port}/{path}", "transport": kind}
        async with house({**server, "headers": {"X-Key": "${KEY}"}}, secrets="KEY=k") as it:
            await it.until("own_add")
            assert text_of(await it.run("own_add", a=20, b=22)) == "42"
            process.kill()
            await process.wait()
            with pytest.raises(JackfieldError):
                await it.run("own_add", a=1, b=1)
            async with asyncio.timeout(20):
                while "own is down" not in it.reason:
                    await asyncio.sleep(0.05)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def test_a_changed_configuration_is_followed(tmp_path: Path) -> None:
    async with house(own(tmp_path)) as it:
        await it.until("own_add")
        it.kernel.configure({"servers": [own(tmp_path, "new")]})
        assert not any(name.startswith("own_") for name in await it.until("new_add"))


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"servers": [{"name": "a"}]}, "either `command` or `url`"),
        ({"servers": [{"name": "a", "command": "x"}] * 2}, "two servers"),
        (
            {"servers": [{"name": "a", "command": "x", "env": {"K": "${NO}"}}], "secrets": "K=hush"},
            "no NO in",
        ),
    ],
)
async def test_a_wrong_configuration_is_refused(config: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidArgument, match=words) as caught:
        servers_of(config)
    assert "hush" not in str(caught.value)


async def test_a_server_of_others_in_python(tmp_path: Path) -> None:
    pytest.importorskip("mcp_server_time", reason="mcp-server-time is not installed")
    server = {"name": "time", "command": sys.executable, "args": ["-m", "mcp_server_time"]}
    async with house(server) as it:
        await it.until("time_get_current_time")
        assert "UTC" in text_of(await it.run("time_get_current_time", timezone="UTC"))
        wrong = await it.run("time_get_current_time", timezone="Mars/Base")
        assert wrong.is_error


@pytest.mark.node
@pytest.mark.skipif(
    shutil.which("node") is None or not EVERYTHING.is_dir(),
    reason="not installed: npm install --prefix tests/platforms/mcp",
)
async def test_a_server_of_others_in_node(tmp_path: Path) -> None:
    server = {"name": "all", "command": "node", "args": [str(EVERYTHING / "dist/index.js")]}
    async with house(server) as it:
        tools = await it.until("all_echo")
        assert "hello" in text_of(await it.run("all_echo", message="hello"))
        assert "all_get-tiny-image" in tools
        assert any(part.HasField("image") for part in (await it.run("all_get-tiny-image")).content.segments)


async def _exists(path: Path) -> None:
    async with asyncio.timeout(10):
        while not path.exists():
            await asyncio.sleep(0.02)
