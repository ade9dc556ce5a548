"""The rule that lets a plugin under development go first, for as long as it is renewed."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import grpc.aio
from google.protobuf.duration_pb2 import Duration
from jackfield.v1 import admin_pb2, router_pb2

from jackfield_sdk.commands import screen
from jackfield_sdk.commands.kernel import refusal

if TYPE_CHECKING:
    from jackfield.v1.admin_pb2_grpc import AdminAsyncStub

TTL_SECONDS = 20
RENEW_SECONDS = 5.0
RETRY_SECONDS = 1.0
ASK_SECONDS = 15.0
FIRST = 2**31 - 1
"""No rule of a person has a higher priority."""


class FirstRule:
    """`keep` adds the rule and renews it until it is cancelled; `remove` takes it away."""

    def __init__(self, stub: AdminAsyncStub, plugin: str, bot: str, event: str) -> None:
        self._stub = stub
        self._bot = bot
        self._added = False
        self._said = ""
        self._rule = router_pb2.Rule(
            id=f"dev-{plugin}",
            event=event,
            priority=FIRST,
            handler=plugin,
            description="`jackfield dev` runs",
        )

    async def keep(self) -> None:
        """Without a router or the bot it says so, and tries on."""
        add = router_pb2.AddRuleRequest(bot=self._bot, rule=self._rule, ttl=Duration(seconds=TTL_SECONDS))
        while True:
            try:
                await self._stub.AddRoute(admin_pb2.AddRouteRequest(add=add), timeout=ASK_SECONDS)
            except grpc.aio.AioRpcError as error:
                problem = refusal(error)
                if problem.message != self._said:
                    self._said = problem.message
                    screen.failure(problem, f"No event of bot {self._bot} reaches it: ")
                await asyncio.sleep(RETRY_SECONDS)
                continue
            if not self._added or self._said:
                screen.note(f"{self._rule.event} of bot {self._bot} goes to {self._rule.handler} first.")
            self._added, self._said = True, ""
            await asyncio.sleep(RENEW_SECONDS)

    async def remove(self) -> None:
        """Harmless when the rule or the kernel is gone: the rule ends by itself."""
        if not self._added:
            return
        request = admin_pb2.RemoveRouteRequest(bot=self._bot, rule_id=self._rule.id)
        with contextlib.suppress(grpc.aio.AioRpcError):
            await self._stub.RemoveRoute(request, timeout=3.0)
