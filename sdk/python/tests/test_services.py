"""Services of a plugin's own contract, and what router policies need."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import grpc
import pytest
from jackfield.v1 import kernel_pb2, kernel_pb2_grpc, router_pb2, router_pb2_grpc, tool_pb2, tool_pb2_grpc
from jackfield_sdk import (
    Context,
    CustomEvent,
    Event,
    JackfieldError,
    NotFound,
    Plugin,
    PluginContext,
    jackfield_context,
)
from jackfield_sdk.router import (
    Busy,
    BusyMode,
    Condition,
    Match,
    OnError,
    Operator,
    Rule,
    catalog,
    push_routes,
    push_senders,
    rule_to_plain,
    rule_to_proto,
    watch_catalog,
)
from jackfield_sdk.testing import FakeKernel, message


class Tools(tool_pb2_grpc.ToolsServicer):
    """Unary and streaming responses."""

    def __init__(self) -> None:
        self.seen: list[Any] = []

    async def ListTools(self, request: tool_pb2.ListToolsRequest, context: Any) -> tool_pb2.ListToolsResponse:
        self.seen.append(
            (jackfield_context(context), context.time_remaining(), context.invocation_metadata())
        )
        if request.locale == "none":
            await context.abort(grpc.StatusCode.NOT_FOUND, "no such language")
        if request.locale == "broken":
            raise RuntimeError("oops")
        return tool_pb2.ListToolsResponse(tools=[tool_pb2.Tool(name="t")])

    async def CallTool(
        self, request: tool_pb2.CallToolRequest, context: Any
    ) -> AsyncIterator[tool_pb2.CallToolResponse]:
        for _ in range(50):
            yield tool_pb2.CallToolResponse()


LIST = "/jackfield.v1.Tools/ListTools"
CALL = "/jackfield.v1.Tools/CallTool"


def tools() -> tuple[Plugin, Tools]:
    plugin, servicer = Plugin("tools"), Tools()
    plugin.service(servicer)
    return plugin, servicer


async def test_a_servicer_is_called_with_a_context_that_knows_its_caller() -> None:
    plugin, servicer = tools()
    async with FakeKernel() as kernel, kernel.running(plugin):
        response = await kernel.call_service(
            LIST, tool_pb2.ListToolsRequest(), tool_pb2.ListToolsResponse, key="k", caller="agent"
        )
        assert response.tools[0].name == "t"
        context, remaining, metadata = servicer.seen[0]
        assert (context.caller, context.idempotency_key, context.chat) == ("agent", "k", None)
        assert 0 < remaining <= 60
        assert ("jackfield-caller", "agent") in metadata


async def test_abort_and_exceptions_become_typed_errors() -> None:
    plugin, _ = tools()
    async with FakeKernel() as kernel, kernel.running(plugin):
        with pytest.raises(NotFound, match="no such language"):
            await kernel.call_service(
                LIST, tool_pb2.ListToolsRequest(locale="none"), tool_pb2.ListToolsResponse
            )
        with pytest.raises(JackfieldError, match="oops") as fault:
            await kernel.call_service(
                LIST, tool_pb2.ListToolsRequest(locale="broken"), tool_pb2.ListToolsResponse
            )
        assert "RuntimeError" in fault.value.metadata["traceback"]


async def test_one_plugin_calls_another_unary_and_streaming() -> None:
    plugin, _ = tools()
    agent = Plugin("agent")

    @agent.on("*")
    async def work(ctx: Context, event: Event) -> None:
        listed = await ctx.call(LIST, tool_pb2.ListToolsRequest(), tool_pb2.ListToolsResponse, target="tools")
        count = 0
        async for _ in ctx.call_stream(
            CALL, tool_pb2.CallToolRequest(), tool_pb2.CallToolResponse, target="tools"
        ):
            count += 1
        await ctx.reply(f"{len(listed.tools)} {count}")

    async with FakeKernel() as kernel, kernel.running(plugin), kernel.running(agent):
        delivered = await kernel.deliver(message("hi"), plugin="agent")
        outcome = await delivered.outcome
        assert outcome.done, outcome.error
        assert delivered.replies[0].text == "1 50"


class Streams(kernel_pb2_grpc.KernelServicer):
    """Only the shape of Bulk is of interest here: requests and responses both stream."""

    async def Bulk(
        self, request_iterator: AsyncIterator[kernel_pb2.BulkRequest], context: Any
    ) -> AsyncIterator[kernel_pb2.BulkResponse]:
        async for request in request_iterator:
            yield kernel_pb2.BulkResponse(chunk=request.chunk * 2)


async def test_both_sides_may_stream() -> None:
    plugin = Plugin("bulk")
    plugin.service(Streams())
    async with FakeKernel() as kernel, kernel.running(plugin):
        call = kernel.open_call(
            "/jackfield.v1.Kernel/Bulk",
            kernel_pb2.BulkRequest(chunk=b"0"),
            half_closed=False,
            server_streaming=True,
        )
        for number in range(1, 60):
            await call.send(kernel_pb2.BulkRequest(chunk=b"%d" % number).SerializeToString())
        call.half_close()
        answers = []
        while (body := await call.read()) is not None:
            answers.append(kernel_pb2.BulkResponse.FromString(body).chunk)
        assert answers == [b"%d" % number * 2 for number in range(60)]


def test_only_generated_servicers_are_services() -> None:
    with pytest.raises(TypeError, match="no generated servicer"):
        Plugin().service(object())


RULE = Rule(
    id="a",
    event="message.*",
    handler="echo",
    match=Match(chat_types=("group",), conditions=(Condition("text", Operator.CONTAINS, "x"),)),
    config={"a": 1},
    continues=True,
    on_error=OnError.NEXT,
    timeout=timedelta(seconds=5),
    busy=Busy(BusyMode.MERGE, timedelta(seconds=1.5), 5),
)


class Policy(router_pb2_grpc.RouterServicer):
    """Lists nothing."""

    async def ListRules(self, request: Any, context: Any) -> router_pb2.ListRulesResponse:
        return router_pb2.ListRulesResponse()


async def test_a_policy_pushes_whole_tables_and_sets() -> None:
    plugin = Plugin("policy")
    plugin.service(Policy())
    done = asyncio.Event()

    @plugin.setup
    async def begin(ctx: PluginContext) -> None:
        await push_routes(ctx, "web", [RULE], version="7")
        await push_senders(ctx, "friends", ["web:1", "2"])
        assert (await catalog(ctx)).bots[0].name == "web"
        async for version in watch_catalog(ctx):
            assert version == 3
        done.set()

    async with FakeKernel() as kernel:
        kernel.state.catalog.bots.add(name="web", state=2)
        kernel.answer(
            "/jackfield.v1.Kernel/WatchCatalog",
            kernel_pb2.WatchCatalogRequest,
            lambda request: [kernel_pb2.WatchCatalogResponse(version=3)],
        )
        async with kernel.running(plugin):
            assert done.is_set()
            assert rule_to_plain(kernel.state.routes["web"].rules[0]) == RULE
            assert list(kernel.state.senders["friends"].members) == ["web:1", "2"]


def test_rules_have_every_field_of_the_contract() -> None:
    names = {field.name for field in router_pb2.Rule.DESCRIPTOR.fields}
    assert set(Rule.__dataclass_fields__) == names - {"continue"} | {"continues"}
    assert rule_to_plain(rule_to_proto(RULE)) == RULE


async def test_a_plugin_publishes_events_of_its_own_about_no_bot() -> None:
    plugin = Plugin("p")

    @plugin.setup
    async def start(context: PluginContext) -> None:
        await context.publish("began", {"number": 1}, dedup_key="k")

    async with FakeKernel() as kernel, kernel.running(plugin):
        (published,) = await kernel.wait_published(1)
    event = published.event
    assert (event.type, event.bot, published.dedup_key) == ("p.began", "", "k")
    assert event.payload == CustomEvent({"number": 1})
    assert event.id
