"""Admin: bots and routes."""

from __future__ import annotations

from google.protobuf.json_format import MessageToDict
from jackfield.v1 import admin_pb2, router_pb2

from ..broker.broker import Broker, CallFailed
from ..config import BotEntry
from ..errors import Refused
from ..session.installation import Installation
from .refusals import refused
from .views import View, struct

ROUTER = "jackfield.v1.Router"


class BotsPart:
    """Bots."""

    def __init__(self, view: View, installation: Installation) -> None:
        self._view = view
        self._installation = installation

    def _status(self, name: str) -> admin_pb2.BotStatus:
        bot = self._view.bots.bots.get(name)
        if bot is None:
            raise Refused("NOT_FOUND", f"there is no bot {name!r}", remedy="See `jackfield bot list`.")
        return self._view.bot(bot)

    async def list_bots(self, request: admin_pb2.ListBotsRequest) -> admin_pb2.ListBotsResponse:
        """All bots."""
        names = sorted(self._view.bots.bots)
        return admin_pb2.ListBotsResponse(bots=[self._status(name) for name in names])

    async def get_bot(self, request: admin_pb2.GetBotRequest) -> admin_pb2.GetBotResponse:
        """One bot in full."""
        status = self._status(request.name)
        config = struct(self._view.bots.bots[request.name].spec.config.redacted())
        return admin_pb2.GetBotResponse(bot=status, config=config)

    async def add_bot(self, request: admin_pb2.AddBotRequest) -> admin_pb2.AddBotResponse:
        """Add a bot."""
        config = {key: _whole(value) for key, value in MessageToDict(request.config).items()}
        await self._installation.add_bot(request.name, BotEntry(adapter=request.adapter, config=config))
        return admin_pb2.AddBotResponse(bot=self._status(request.name))

    async def set_bot_enabled(
        self, request: admin_pb2.SetBotEnabledRequest
    ) -> admin_pb2.SetBotEnabledResponse:
        """Switch a bot on or off."""
        await self._installation.switch_bot(request.name, enabled=request.enabled)
        return admin_pb2.SetBotEnabledResponse(bot=self._status(request.name))

    async def remove_bot(self, request: admin_pb2.RemoveBotRequest) -> admin_pb2.RemoveBotResponse:
        """Remove a bot."""
        await self._installation.remove_bot(request.name)
        return admin_pb2.RemoveBotResponse()


class RoutesPart:
    """Routes. What is in force is read here; changes are the router plugin's."""

    def __init__(self, view: View, broker: Broker) -> None:
        self._view = view
        self._broker = broker

    async def list_routes(self, request: admin_pb2.ListRoutesRequest) -> admin_pb2.ListRoutesResponse:
        """Tables in force."""
        response = admin_pb2.ListRoutesResponse()
        for one in self._view.routes.tables():
            if not request.bot or one.table.bot in (request.bot, "*"):
                rules = [compiled.rule for compiled in one.rules]
                response.tables.add(bot=one.table.bot, version=one.table.version, rules=rules)
        return response

    async def add_route(self, request: admin_pb2.AddRouteRequest) -> admin_pb2.AddRouteResponse:
        """Add a rule, by the router plugin."""
        answer = await self._ask("AddRule", request.add.SerializeToString())
        return admin_pb2.AddRouteResponse(rule=router_pb2.AddRuleResponse.FromString(answer).rule)

    async def remove_route(self, request: admin_pb2.RemoveRouteRequest) -> admin_pb2.RemoveRouteResponse:
        """Remove a rule, by the router plugin."""
        body = router_pb2.RemoveRuleRequest(bot=request.bot, rule_id=request.rule_id)
        await self._ask("RemoveRule", body.SerializeToString())
        return admin_pb2.RemoveRouteResponse()

    async def test_route(self, request: admin_pb2.TestRouteRequest) -> admin_pb2.TestRouteResponse:
        """Which rules an event would match."""
        return self._view.routes.explain(request.event)

    async def _ask(self, method: str, body: bytes) -> bytes:
        routers = self._view.registry.provider_of(ROUTER)
        if len(routers) != 1:
            raise Refused(
                "UNAVAILABLE",
                f"rules are changed by a router plugin; installed: {', '.join(routers) or 'none'}",
                remedy="Install exactly one, or declare `routes` in jackfield.yaml.",
            )
        try:
            return await self._broker.request(
                routers[0], f"/{ROUTER}/{method}", body, timeout=10.0, caller="admin"
            )
        except CallFailed as failure:
            raise refused(failure.error) from failure


def _whole(value: object) -> object:
    """Numbers of a protobuf object are floats; whole ones are meant as integers."""
    return int(value) if isinstance(value, float) and value.is_integer() else value
