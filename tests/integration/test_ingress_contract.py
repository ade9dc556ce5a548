"""What the kernel does for requests from outside: it lends what a route names, forwards what was verified, shows addresses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jackfield.v1 import adapter_bot_pb2, admin_pb2, frame_pb2, ingress_pb2, kernel_pb2

from tests.rig.kernel import manifest, running

GET = "/jackfield.v1.Kernel/GetSecret"
HANDLE = "/jackfield.v1.Ingress/HandleRequest"
BOT_CONFIG = {
    "type": "object",
    "properties": {"key": {"type": "string", "secret": True}, "token": {"type": "string", "secret": True}},
}
ROUTES = [{"name": "events", "verify": {"scheme": "hmac-sha256", "secrets": {"key": "key"}}}]


def wire() -> str:
    provides = {
        "services": ["jackfield.v1.Adapter"],
        "platform": "wire",
        "intake": "acknowledged",
        "default_bots": [{"name": "one", "config": {"key": "k-1", "token": "t-1"}}, {"name": "two"}],
        "routes": ROUTES,
    }
    return manifest("wire", "adapter", provides=provides, bot_config=BOT_CONFIG)


def listener(name: str = "door", *grants: str) -> str:
    return manifest(name, "service", grants=grants)


async def ask(plugin: Any, key: str, bot: str) -> frame_pb2.CallEnd:
    return await plugin.call(GET, kernel_pb2.GetSecretRequest(name=key, bot=bot).SerializeToString())


async def test_a_key_that_a_route_names_is_lent_and_no_other(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        await rig.plugin(wire())
        door = await rig.plugin(listener("door", "ingress"))
        lent = await ask(door, "key", "one")
        assert kernel_pb2.GetSecretResponse.FromString(lent.body).value == "k-1"
        for key, bot in (("token", "one"), ("key", "two"), ("key", "three")):
            assert (await ask(door, key, bot)).error.reason == "NOT_FOUND"


async def test_without_the_grant_nothing_is_lent_and_nothing_handed_over(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        await rig.plugin(wire())
        stranger = await rig.plugin(listener("stranger", "send", "read", "manage"))
        refused = await ask(stranger, "key", "one")
        assert (refused.error.reason, refused.error.metadata["grant"]) == ("GRANT_MISSING", "ingress")
        refused = await stranger.call(HANDLE, b"", bot="one")
        assert (refused.error.reason, refused.error.metadata["grant"]) == ("GRANT_MISSING", "ingress")


async def test_a_verified_request_reaches_the_bots_adapter(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        adapter = await rig.plugin(wire())
        await rig.until_bots("one")
        adapter.answers["HandleRequest"] = ingress_pb2.HandleRequestResponse(status=201).SerializeToString()
        door = await rig.plugin(listener("door", "ingress"))
        request = ingress_pb2.HandleRequestRequest(route="events", body=b"{}")
        end = await door.call(HANDLE, request.SerializeToString(), bot="one")
        assert ingress_pb2.HandleRequestResponse.FromString(end.body).status == 201
        assert adapter.served[-1].target.bot == "one"
        assert adapter.served[-1].caller.plugin == "door"


async def test_addresses_of_a_bot_come_from_its_adapter_and_from_the_listener(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        adapter = await rig.plugin(wire(), ready=False)
        own = adapter_bot_pb2.BotAddress(label="Own", url="ws://h:1/")
        adapter.answers["OpenBot"] = adapter_bot_pb2.OpenBotResponse(addresses=[own]).SerializeToString()
        ready = frame_pb2.READINESS_READY
        await adapter.send(frame_pb2.Frame(report=frame_pb2.Report(readiness=ready)))
        await rig.until_bots("one")
        claimed = frame_pb2.Address(label="Events", url="https://h/wire/one/events", bot="one")
        report = frame_pb2.Frame(report=frame_pb2.Report(readiness=ready, addresses=[claimed]))
        for name, grants in (("stranger", ()), ("door", ("ingress",))):
            plugin = await rig.plugin(listener(name, *grants), ready=False)
            await plugin.send(report)
            await rig.until(lambda s, name=name: any(p.name == name and p.addresses for p in s.plugins))
        found = (await rig.admin.GetBot(admin_pb2.GetBotRequest(name="one"))).bot
        assert [(one.label, one.url) for one in found.addresses] == [
            ("Own", "ws://h:1/"),
            ("Events", "https://h/wire/one/events"),
        ]
