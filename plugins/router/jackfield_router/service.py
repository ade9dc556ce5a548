"""The Router service: the changing verbs of `jackfield route` arrive here."""

from __future__ import annotations

import asyncio
from typing import Any

from jackfield.v1 import router_pb2, router_pb2_grpc
from jackfield_sdk import InvalidArgument, wellknown

from jackfield_router.policy import Policy


class RouterService(router_pb2_grpc.RouterServicer):
    """Waits with every call until the rules are loaded."""

    def __init__(self) -> None:
        self._policy: Policy | None = None
        self._started = asyncio.Event()

    def start(self, policy: Policy) -> None:
        """The rules are loaded."""
        self._policy = policy
        self._started.set()

    async def AddRule(self, request: router_pb2.AddRuleRequest, context: Any) -> router_pb2.AddRuleResponse:
        """Add or replace a rule."""
        ttl = None
        if request.HasField("ttl"):
            ttl = wellknown.duration_to_plain(request.ttl).total_seconds()
            if ttl <= 0:
                raise InvalidArgument("ttl is not above 0 s", metadata={"field": "ttl"})
        policy = await self._ready()
        return router_pb2.AddRuleResponse(rule=await policy.add(request.bot, request.rule, ttl))

    async def RemoveRule(
        self, request: router_pb2.RemoveRuleRequest, context: Any
    ) -> router_pb2.RemoveRuleResponse:
        """Take a rule away."""
        policy = await self._ready()
        await policy.remove(request.bot, request.rule_id)
        return router_pb2.RemoveRuleResponse()

    async def ListRules(
        self, request: router_pb2.ListRulesRequest, context: Any
    ) -> router_pb2.ListRulesResponse:
        """Rules in list order, with their sources."""
        policy = await self._ready()
        return router_pb2.ListRulesResponse(tables=policy.tables(request.bot))

    async def _ready(self) -> Policy:
        await self._started.wait()
        assert self._policy is not None
        return self._policy
