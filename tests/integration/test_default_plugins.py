"""Router, command and echo on a real kernel: a message in, the default rules, an answer out."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from importlib import resources
from pathlib import Path

from jackfield.v1 import adapter_message_pb2, admin_pb2, router_pb2
from jackfield_command.command import build as build_command
from jackfield_echo.echo import build as build_echo
from jackfield_router.router import build as build_router
from jackfield_sdk import Plugin
from jackfield_sdk.link.bootstrap import read_bootstrap
from jackfield_sdk.runtime import Runtime
from jackfield_sdk.serve import identity_of

from tests.rig.kernel import Rig, running
from tests.rig.raw import RawPlugin, message_event

PLUGINS = {"router": build_router, "command": build_command, "echo": build_echo}


@contextlib.asynccontextmanager
async def serving(rig: Rig, name: str, plugin: Plugin) -> AsyncIterator[None]:
    """A plugin of this house in the test's event loop, under its own manifest."""
    text = (resources.files(f"jackfield_{name}") / "jackfield-plugin.yaml").read_text()
    runtime = Runtime(plugin, read_bootstrap(await rig.developed(text)), identity_of(plugin))
    task = asyncio.create_task(runtime.run())
    try:
        yield
    finally:
        runtime.finish()
        assert await task == 0


@contextlib.asynccontextmanager
async def house(folder: Path) -> AsyncIterator[tuple[Rig, RawPlugin]]:
    """A kernel with the default plugins and an adapter."""
    async with running(folder) as rig, contextlib.AsyncExitStack() as stack:
        adapter = await rig.adapter()
        result = adapter_message_pb2.ReplyMessageResponse()
        result.result.message_id = "m1"
        adapter.answers["ReplyMessage"] = result.SerializeToString()
        for name, build in PLUGINS.items():
            await stack.enter_async_context(serving(rig, name, build()))
        await rig.until(lambda status: all(one.state == "ACTIVE" for one in status.plugins))
        yield rig, adapter


async def answers(rig: Rig, adapter: RawPlugin, text: str) -> str:
    """What the platform gets when someone writes `text`; "" when no rule takes it."""
    status = await rig.status()
    before, ended = len(adapter.served), status.bus.done + status.bus.unrouted
    await adapter.publish(message_event("b", text))
    await rig.until(lambda status: status.bus.done + status.bus.unrouted > ended)
    served = adapter.served[before:]
    replies = [adapter_message_pb2.ReplyMessageRequest.FromString(call.body) for call in served]
    return "".join(segment.text.text for reply in replies for segment in reply.message.segments)


async def test_messages_come_back_and_commands_are_answered(tmp_path: Path) -> None:
    async with house(tmp_path) as (rig, adapter):
        await rig.until(lambda status: not status.bus.waiting)
        tables = (await rig.admin.ListRoutes(admin_pb2.ListRoutesRequest(bot="b"))).tables
        assert [rule.id for rule in tables[0].rules] == ["commands", "echo"]
        assert await answers(rig, adapter, "hello") == "hello"
        assert (await answers(rig, adapter, "/whoami")).startswith("Bot: b")


async def test_rules_are_changed_by_the_operator(tmp_path: Path) -> None:
    async with house(tmp_path) as (rig, adapter):
        assert await answers(rig, adapter, "hello") == "hello"
        silent = router_pb2.Rule(id="echo", event="message.received", handler="echo", disabled=True)
        await rig.admin.AddRoute(
            admin_pb2.AddRouteRequest(add=router_pb2.AddRuleRequest(bot="b", rule=silent))
        )
        assert await answers(rig, adapter, "hello") == ""
        await rig.admin.RemoveRoute(admin_pb2.RemoveRouteRequest(bot="b", rule_id="echo"))
        tables = (await rig.admin.ListRoutes(admin_pb2.ListRoutesRequest(bot="b"))).tables
        assert [rule.id for rule in tables[0].rules] == ["commands"]
