"""For router policies: route tables and sender sets as plain classes, and how they are pushed.

A policy serves `jackfield.v1.Router` with `plugin.service` and pushes a whole table whenever its inputs
change.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from typing import Any

from jackfield.v1 import kernel_pb2, router_pb2

from jackfield_sdk import convert, wellknown
from jackfield_sdk.adapter_types import BotState
from jackfield_sdk.calling import Caller
from jackfield_sdk.route_types import Busy, BusyMode, Condition, Match, OnError, Operator, Rule


@dataclass(frozen=True, slots=True)
class PushedRoutes:
    """What a table in force still misses; events that need it wait."""

    missing_handlers: tuple[str, ...]
    missing_sets: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CatalogPlugin:
    """An installed plugin."""

    name: str
    version: str
    kind: str
    state: str
    reason: str
    manifest: dict[str, Any]


@dataclass(frozen=True, slots=True)
class CatalogBot:
    """A configured bot."""

    name: str
    adapter: str
    platform: str
    enabled: bool
    state: BotState
    reason: str
    source: str


@dataclass(frozen=True, slots=True)
class Catalog:
    """What is installed here."""

    plugins: tuple[CatalogPlugin, ...]
    bots: tuple[CatalogBot, ...]


async def push_routes(caller: Caller, bot: str, rules: Iterable[Rule], version: str = "") -> PushedRoutes:
    """Puts a bot's table in force, whole or not at all. Raises InvalidArgument naming rule and field; needs
    `routes`."""
    table = router_pb2.RouteTable(bot=bot, version=version, rules=[rule_to_proto(rule) for rule in rules])
    request = kernel_pb2.PushRoutesRequest(table=table)
    response = await caller.kernel("PushRoutes", request, kernel_pb2.PushRoutesResponse)
    return PushedRoutes(tuple(response.missing_handlers), tuple(response.missing_sets))


async def push_senders(caller: Caller, name: str, members: Iterable[str], version: str = "") -> None:
    """Puts a sender set in force: `<bot>:<sender id>` or `<sender id>`. Needs `routes`."""
    sender_set = router_pb2.SenderSet(name=name, version=version, members=list(members))
    request = kernel_pb2.PushSendersRequest(set=sender_set)
    await caller.kernel("PushSenders", request, kernel_pb2.PushSendersResponse)


async def catalog(caller: Caller) -> Catalog:
    """Installed plugins and configured bots. Needs `catalog`."""
    response = await caller.kernel(
        "GetCatalog", kernel_pb2.GetCatalogRequest(), kernel_pb2.GetCatalogResponse
    )
    plugins = tuple(
        CatalogPlugin(p.name, p.version, p.kind, p.state, p.reason, wellknown.struct_to_plain(p.manifest))
        for p in response.plugins
    )
    bots = tuple(
        CatalogBot(b.name, b.adapter, b.platform, b.enabled, BotState(b.state), b.reason, b.source)
        for b in response.bots
    )
    return Catalog(plugins, bots)


async def watch_catalog(caller: Caller) -> AsyncIterator[int]:
    """Yields a version at once and after every change of plugins, bots or file routes. Needs `catalog`."""
    changes = caller.call_stream(
        "/jackfield.v1.Kernel/WatchCatalog",
        kernel_pb2.WatchCatalogRequest(),
        kernel_pb2.WatchCatalogResponse,
        target="kernel",
    )
    async for change in changes:
        yield change.version


def rule_to_proto(rule: Rule) -> router_pb2.Rule:
    """As it stands in a route table."""
    proto = router_pb2.Rule(
        id=rule.id,
        event=rule.event,
        priority=rule.priority,
        disabled=rule.disabled,
        description=rule.description,
        handler=rule.handler,
        on_error=router_pb2.OnError.ValueType(int(rule.on_error)),
        bypass=rule.bypass,
        unordered=rule.unordered,
        source=rule.source,
    )
    # A keyword of Python.
    setattr(proto, "continue", rule.continues)
    if rule.match is not None:
        proto.match.CopyFrom(convert.to_proto(rule.match))
    if rule.config is not None:
        proto.config.CopyFrom(wellknown.struct_to_proto(rule.config))
    if rule.timeout is not None:
        proto.timeout.CopyFrom(wellknown.duration_to_proto(rule.timeout))
    if rule.busy is not None:
        proto.busy.CopyFrom(convert.to_proto(rule.busy))
    return proto


def rule_to_plain(proto: router_pb2.Rule) -> Rule:
    """As policies keep it."""
    return Rule(
        id=proto.id,
        event=proto.event,
        priority=proto.priority,
        disabled=proto.disabled,
        description=proto.description,
        match=convert.to_plain(proto.match) if proto.HasField("match") else None,
        handler=proto.handler,
        config=wellknown.struct_to_plain(proto.config) if proto.HasField("config") else None,
        continues=getattr(proto, "continue"),
        on_error=OnError(proto.on_error),
        timeout=wellknown.duration_to_plain(proto.timeout) if proto.HasField("timeout") else None,
        busy=convert.to_plain(proto.busy) if proto.HasField("busy") else None,
        bypass=proto.bypass,
        unordered=proto.unordered,
        source=proto.source,
    )


__all__ = [
    "Busy",
    "BusyMode",
    "Catalog",
    "CatalogBot",
    "CatalogPlugin",
    "Condition",
    "Match",
    "OnError",
    "Operator",
    "PushedRoutes",
    "Rule",
    "catalog",
    "push_routes",
    "push_senders",
    "rule_to_plain",
    "rule_to_proto",
    "watch_catalog",
]
