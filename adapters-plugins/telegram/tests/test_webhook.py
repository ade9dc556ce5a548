"""The adapter's side of webhooks, with the listener played."""

import json

import pytest
from jackfield.v1 import ingress_pb2
from jackfield_sdk import BotState, InvalidArgument, Overloaded, Target

from tests.platforms.telegram import world

# A local server and the fake kernel for each test: together more than `make test-fast` has time for.
pytestmark = pytest.mark.slow

HANDLE = "/jackfield.v1.Ingress/HandleRequest"
ADDRESSES = "/jackfield.v1.IngressAddresses/GetAddresses"
SECRET = "s" * 32


def addresses(public: bool):
    address = ingress_pb2.RouteAddress(
        route="updates", url="http://127.0.0.1:1/telegram/one/updates", public=public
    )
    return lambda request: ingress_pb2.GetAddressesResponse(addresses=[address])


async def reopened(telegram, *, public: bool):
    await telegram.kernel.close_bot("one")
    telegram.kernel.answer(ADDRESSES, ingress_pb2.GetAddressesRequest, addresses(public))
    await telegram.open(mode="webhook", webhook_secret=SECRET)


async def handed(telegram, body: bytes):
    request = ingress_pb2.HandleRequestRequest(route="updates", method="POST", body=body)
    response = ingress_pb2.HandleRequestResponse
    return await telegram.kernel.call_service(HANDLE, request, response, target=Target(bot="one"))


async def test_what_is_handed_over_is_durable_when_it_is_answered(telegram) -> None:
    await reopened(telegram, public=True)
    await telegram.server.request("setWebhook")
    update = {"update_id": 9, "message": {**world.message(text="by webhook"), "message_id": 3}}
    await handed(telegram, json.dumps(update).encode())
    await handed(telegram, json.dumps(update).encode())
    assert [one.event.text for one in telegram.kernel.state.published] == ["by webhook"]
    telegram.kernel.refuse_publish = lambda event: Overloaded("full")
    with pytest.raises(Overloaded):
        await handed(telegram, json.dumps({**update, "update_id": 10}).encode())


@pytest.mark.parametrize(
    "body", [b"", b"\xff", b"[]", b'{"message": {}}', b'{"update_id": "x"}', b"[" * 100_000]
)
async def test_bodies_that_are_no_updates_are_refused(telegram, body) -> None:
    await reopened(telegram, public=True)
    with pytest.raises(InvalidArgument):
        await handed(telegram, body)
    assert telegram.kernel.state.published == []


async def test_without_a_public_address_the_operator_is_told(telegram) -> None:
    await reopened(telegram, public=False)
    telegram.kernel.answer(ADDRESSES, ingress_pb2.GetAddressesRequest, addresses(False))
    report = await telegram.kernel.wait_bot("one", BotState.CONNECTING)
    assert report.reason.message
    assert telegram.server.webhook == {}


async def test_a_lost_webhook_is_set_again(telegram) -> None:
    await reopened(telegram, public=True)
    await telegram.server.request("setWebhook")
    telegram.server.webhook = {}
    await telegram.server.request("setWebhook", 2)
    await telegram.kernel.wait_bot("one", BotState.ACTIVE)


@pytest.mark.parametrize("secret", ["", "short", "with space in it........"])
async def test_an_unusable_secret_is_refused(telegram, secret) -> None:
    await telegram.kernel.close_bot("one")
    with pytest.raises(InvalidArgument, match="webhook_secret"):
        await telegram.open(mode="webhook", webhook_secret=secret)
