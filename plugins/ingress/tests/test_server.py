"""Requests over a real port: what gets through, what does not, and what the platform is told."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import hmac
import logging
import ssl
import subprocess
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from jackfield.v1 import ingress_pb2
from jackfield_sdk import ContentTooLarge, InvalidArgument, JackfieldError, NotFound, RateLimited, Unavailable
from jackfield_sdk.ingress import GET_ADDRESSES, HttpRequest, HttpResponse
from simulated_outside import NOW, ROUTE, World
from yarl import URL

# A local server and the fake kernel for each test: together more than `make test-fast` has time for.
pytestmark = pytest.mark.slow

SECRET = "between us"


def signed(body: bytes = b"{}", time: int = NOW, secret: str = SECRET) -> dict[str, str]:
    signature = hmac.new(secret.encode(), f"{time}.".encode() + body, hashlib.sha256).hexdigest()
    return {"X-Signature": signature, "X-Time": str(time)}


async def post(
    world: World, body: bytes = b"{}", *, url: str = "", **changes: str
) -> tuple[int, bytes, dict[str, str]]:
    headers = {**signed(body), **{name.replace("_", "-"): value for name, value in changes.items()}}
    headers = {name: value for name, value in headers.items() if value}
    async with world.http.post(URL(url or world.url, encoded=True), data=body, headers=headers) as answer:
        return answer.status, await answer.read(), dict(answer.headers)


@pytest.fixture
def wired(world: World) -> World:
    world.adapter(ROUTE)
    world.bot("one", SECRET)
    return world


async def test_a_verified_request_is_handed_over_whole_and_its_answer_returned(wired: World) -> None:
    wired.answer = HttpResponse(
        201, b"<ok/>", "text/xml", (("x-note", "n\r\nX-Evil: 1"), ("server", "s"), ("content-length", "3"))
    )
    async with wired.run():
        status, body, headers = await post(
            wired, "é".encode(), url=wired.url + "?a=%2F&b", Cookie="c", X_Own="o"
        )
        assert (status, body, headers["Content-Type"], headers["x-note"]) == (
            201,
            b"<ok/>",
            "text/xml",
            "nX-Evil: 1",
        )
        assert headers["Content-Length"] == "5"
        (handed,) = wired.handed
        assert (handed.route, handed.method, handed.body, handed.query) == (
            "events",
            "POST",
            "é".encode(),
            "a=%2F&b",
        )
        assert handed.header("X-Own") == "o"
        assert handed.header("cookie") == ""
        assert handed.remote == "127.0.0.1"
        assert handed.received_time is not None
        assert handed.received_time.timestamp() == NOW


async def test_nothing_shows_what_is_here(wired: World) -> None:
    async with wired.run():
        base = wired.url.removesuffix("/wire/one/events")
        for path in (
            "/",
            "/wire",
            "/wire/one",
            "/wire/two/events",
            "/wire/one/other",
            "/wire/one/events/",
            "/%77ire/one/events",
        ):
            async with wired.http.get(URL(base + path, encoded=True)) as answer:
                assert (answer.status, await answer.read()) == (404, b"")
                assert answer.headers.get("Server", "") == ""
        async with wired.http.get(wired.url) as answer:
            assert (answer.status, answer.headers["Allow"]) == (405, "POST")
        assert not wired.handed


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"X_Signature": ""}, 401),
        ({"X_Time": ""}, 401),
        ({"X_Signature": "0" * 64}, 401),
        ({"X_Time": str(NOW + 1)}, 401),
        ({**{k.replace("-", "_"): v for k, v in signed(time=NOW - 301).items()}}, 401),
        ({**{k.replace("-", "_"): v for k, v in signed(secret="other").items()}}, 401),
        ({"Content_Encoding": "gzip"}, 415),
    ],
)
async def test_what_is_not_proven_is_refused_and_says_nothing(
    wired: World, changes: dict[str, str], status: int, caplog: pytest.LogCaptureFixture
) -> None:
    async with wired.run():
        with caplog.at_level(logging.WARNING):
            assert (await post(wired, **changes))[:2] == (status, b"")
        assert not wired.handed
        assert SECRET not in caplog.text
        assert signed()["X-Signature"] not in caplog.text


async def test_a_signature_that_comes_twice_is_none(wired: World) -> None:
    async with wired.run():
        headers = [*signed().items(), ("X-Signature", "0" * 64)]
        async with wired.http.post(wired.url, data=b"{}", headers=headers) as answer:
            assert answer.status == 401


async def test_bodies_above_the_limit_are_refused_said_or_not(world: World) -> None:
    world.adapter({**ROUTE, "max_body": 1000})
    world.bot("one", SECRET)

    async def chunks() -> Any:
        for _ in range(3):
            yield b"x" * 400

    async with world.run():
        assert (await post(world, b"x" * 1000))[0] == 200
        assert (await post(world, b"x" * 1001))[0] == 413
        async with world.http.post(world.url, data=chunks(), headers=signed(b"x" * 1200)) as answer:
            assert answer.status == 413
        packed = gzip.compress(b"x" * 100_000)
        assert (await post(world, packed, Content_Encoding="gzip"))[0] == 415


async def test_a_replay_gets_the_first_answer_and_no_second_hand_over(wired: World) -> None:
    async with wired.run():
        first = await post(wired)
        wired.answer = HttpResponse.text("second")
        assert (await post(wired))[:2] == first[:2] == (200, b"done")
        assert len(wired.handed) == 1
        wired.now += 299
        assert (await post(wired))[1] == b"done"
        wired.now += 2
        assert (await post(wired))[0] == 401
        assert len(wired.handed) == 1


async def test_a_request_that_failed_can_be_repeated(wired: World) -> None:
    async with wired.run():
        wired.answer = Unavailable("not connected", retry_after=7)
        status, body, headers = await post(wired)
        assert (status, body, headers["Retry-After"]) == (503, b"", "7")
        wired.answer = HttpResponse.text("done")
        assert (await post(wired))[:2] == (200, b"done")
        assert len(wired.handed) == 2


async def test_a_repeat_while_the_first_one_runs_waits_for_it(wired: World) -> None:
    arrived, go = asyncio.Event(), asyncio.Event()

    async def slow(request: HttpRequest) -> HttpResponse:
        arrived.set()
        await go.wait()
        return HttpResponse.text("slow")

    wired.answer = slow
    async with wired.run():
        first = asyncio.create_task(post(wired))
        await arrived.wait()
        second = asyncio.create_task(post(wired))
        go.set()
        assert [(await one)[1] for one in (first, second)] == [b"slow", b"slow"]
        assert len(wired.handed) == 1


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (InvalidArgument("no"), 400),
        (NotFound("no"), 404),
        (ContentTooLarge("no"), 413),
        (RateLimited(3), 503),
        (JackfieldError("a detail of ours"), 500),
    ],
)
async def test_what_the_adapter_raises_becomes_a_status_without_its_text(
    wired: World, error: JackfieldError, status: int
) -> None:
    wired.answer = error
    async with wired.run():
        got, body, headers = await post(wired)
        assert (got, body) == (status, b"")
        assert ("Retry-After" in headers) == (status == 503)


async def test_an_adapter_that_is_slower_than_the_platform_waits_gets_503(world: World) -> None:
    world.adapter({**ROUTE, "deadline": 0.2})
    world.bot("one", SECRET)

    async def never(request: HttpRequest) -> HttpResponse:
        await asyncio.Event().wait()
        raise AssertionError

    world.answer = never
    async with world.run():
        status, _, headers = await post(world)
        assert (status, headers["Retry-After"]) == (503, "5")


async def test_above_its_rate_a_route_answers_429(world: World) -> None:
    world.adapter({**ROUTE, "rate": 1})
    world.bot("one", SECRET)
    world.bot("two", SECRET)
    async with world.run():
        statuses = [(await post(world, f"{number}".encode()))[0] for number in range(4)]
        assert statuses == [200, 200, 429, 429]
        status, _, headers = await post(world, b"more")
        assert (status, int(headers["Retry-After"])) == (429, 1)
        # Requests that prove nothing use nothing up, and other bots have their own.
        other = world.addresses["two events"]
        for _ in range(5):
            assert (await post(world, b"{}", url=other, X_Signature="0" * 64))[0] == 401
        assert (await post(world, b"{}", url=other))[0] == 200


async def test_above_the_number_at_once_requests_are_put_off(wired: World) -> None:
    arrived, go = asyncio.Event(), asyncio.Event()

    async def slow(request: HttpRequest) -> HttpResponse:
        arrived.set()
        await go.wait()
        return HttpResponse()

    wired.answer = slow
    async with wired.run(concurrent=1):
        first = asyncio.create_task(post(wired, b"1"))
        await arrived.wait()
        assert (await post(wired, b"2"))[0] == 503
        go.set()
        assert (await first)[0] == 200


async def test_a_bot_without_its_secret_has_no_address_until_it_is_set(world: World) -> None:
    world.adapter(ROUTE)
    world.bot("one")
    async with world.run():
        assert world.addresses == {}
        world.kernel.state.lent["one", "secret"] = SECRET
        await world.changed()
        async with asyncio.timeout(10):
            while not world.addresses:
                await asyncio.sleep(0.01)
        assert (await post(world))[0] == 200
        # Another secret: the old one counts no more.
        world.kernel.state.lent["one", "secret"] = "new"
        await world.changed()
        async with asyncio.timeout(10):
            while (await post(world, b"again"))[0] != 401:
                await asyncio.sleep(0.01)


async def test_a_bot_that_is_off_is_put_off(world: World) -> None:
    world.adapter(ROUTE)
    world.bot("one", SECRET, enabled=False)
    async with world.run():
        assert (await post(world))[0] == 503
        assert not world.handed


async def test_challenges_are_answered_without_the_adapter(world: World) -> None:
    world.adapter(
        {**ROUTE, "challenge": "json-challenge"},
        {
            "name": "hub",
            "verify": {**ROUTE["verify"], "secrets": {"key": "secret", "challenge": "verify_token"}},
            "challenge": "hub",
        },
    )
    world.bot("one", SECRET, verify_token="v-1")
    async with world.run():
        body = b'{"type": "url_verification", "challenge": "c-1"}'
        status, answer, headers = await post(world, body)
        assert (status, answer, headers["Content-Type"]) == (200, b'{"challenge": "c-1"}', "application/json")
        assert (await post(world, body, X_Signature="0" * 64))[0] == 401
        hub = world.addresses["one hub"]
        params = {"hub.mode": "subscribe", "hub.challenge": "42", "hub.verify_token": "v-1"}
        async with world.http.get(hub, params=params) as got:
            assert (got.status, await got.read()) == (200, b"42")
        for change in ({"hub.verify_token": "v-2"}, {"hub.mode": "x"}, {"hub.challenge": ""}):
            async with world.http.get(hub, params={**params, **change}) as got:
                assert got.status == 401
        assert not world.handed


async def test_a_scheme_nobody_knows_is_not_served_and_said(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.adapter({"name": "events", "verify": {"scheme": "trust-me", "secrets": {"key": "secret"}}})
    world.bot("one", SECRET)
    with caplog.at_level(logging.WARNING):
        async with world.run():
            assert world.addresses == {}
    assert "trust-me" in caplog.text


async def test_the_public_address_is_what_bots_show_and_adapters_are_told(wired: World) -> None:
    async with wired.run(public_url="https://bots.example.org/hooks/"):
        url = "https://bots.example.org/hooks/wire/one/events"
        assert wired.addresses == {"one events": url}
        report = wired.running.session.report.addresses[0]
        assert report.bot == "one"
        answer = await wired.kernel.call_service(
            GET_ADDRESSES,
            ingress_pb2.GetAddressesRequest(bot="one"),
            ingress_pb2.GetAddressesResponse,
            target="ingress",
        )
        assert [(one.route, one.url, one.public) for one in answer.addresses] == [("events", url, True)]


async def test_only_trusted_proxies_say_who_the_client_is(wired: World) -> None:
    async with wired.run(trusted_proxies=["127.0.0.1", "10.0.0.0/8"]):
        await post(wired, b"1", X_Forwarded_For="6.6.6.6, 203.0.113.7, 10.0.0.2")
        await post(wired, b"2", X_Forwarded_For="nonsense")
        assert [handed.remote for handed in wired.handed] == ["203.0.113.7", "127.0.0.1"]
    async with wired.run():
        await post(wired, b"3", X_Forwarded_For="203.0.113.7")
        assert wired.handed[-1].remote == "127.0.0.1"


async def test_a_taken_port_is_said_with_a_remedy(wired: World) -> None:
    taken = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    async with taken:
        port = taken.sockets[0].getsockname()[1]
        plugin_reports = wired.kernel
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1), wired.run(port=port):
                pass
        report = plugin_reports.sessions["ingress"].report
        assert f"port {port} is taken" in report.reason.message
        assert report.reason.remedy


async def test_a_flood_of_refusals_is_no_flood_of_lines(
    wired: World, caplog: pytest.LogCaptureFixture
) -> None:
    async with wired.run():
        with caplog.at_level(logging.WARNING):
            for number in range(20):
                await post(wired, f"{number}".encode(), X_Signature="0" * 64)
            wired.now += 61
            await post(wired, b"later", X_Signature="0" * 64, X_Time=str(int(wired.now)))
    lines = [record.getMessage() for record in caplog.records if "refused" in record.getMessage()]
    assert len(lines) == 2
    assert "19 more" in lines[1]


async def test_over_tls_with_a_certificate_that_is_renewed(wired: World, tmp_path: Path) -> None:
    files = {"tls_certificate": str(tmp_path / "cert.pem"), "tls_key": str(tmp_path / "key.pem")}

    def issue(name: str) -> None:
        command = [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
        ]
        command += [
            "-keyout",
            files["tls_key"],
            "-out",
            files["tls_certificate"],
            "-days",
            "2",
            "-subj",
            f"/CN={name}",
        ]
        subprocess.run([*command, "-addext", "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)

    issue("first")
    async with wired.run(**files):
        assert wired.url.startswith("https://127.0.0.1:")
        trust = ssl.create_default_context(cafile=files["tls_certificate"])
        async with wired.http.post(wired.url, data=b"{}", headers=signed(), ssl=trust) as answer:
            assert answer.status == 200
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await post(wired)
