"""Events against a real HTTP server that answers as a test says."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import ipaddress
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web
from jackfield_sdk.testing import FakeKernel, message
from jackfield_sdk.testing.records import Delivered, Outcome
from jackfield_webhook_handler.addresses import allowed
from jackfield_webhook_handler.handler import build

# More than `make test-fast` has time for.
pytestmark = pytest.mark.slow

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]
LOCAL = ["127.0.0.1/32"]


def says(body: Any = None, status: int = 200, **headers: str) -> Answer:
    async def answer(request: web.Request) -> web.StreamResponse:
        text = body if isinstance(body, str) else json.dumps(body)
        kind = "text/html" if isinstance(body, str) else "application/json"
        return web.Response(text=text, status=status, content_type=kind, headers=headers)

    return answer


async def hangs(request: web.Request) -> web.StreamResponse:
    await asyncio.sleep(30)
    raise AssertionError("nobody waits so long")


async def drops(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


@dataclass
class Scene:
    """The kernel, and the server with its answers; the last one repeats."""

    kernel: FakeKernel
    url: str = ""
    answers: list[Answer] = field(default_factory=lambda: [says()])
    asked: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    async def serve(self, request: web.Request) -> web.StreamResponse:
        self.asked.append((dict(request.headers), await request.read()))
        answer = self.answers[min(len(self.asked), len(self.answers)) - 1]
        return await answer(request)

    async def deliver(self, **rule: Any) -> tuple[Delivered, Outcome]:
        config = {"url": self.url, "retry_interval": 0.01, "timeout": 5, **rule}
        delivered = await self.kernel.deliver(message("hi"), rule_config=config)
        return delivered, await delivered.outcome


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    async with FakeKernel() as kernel:
        scene = Scene(kernel)
        app = web.Application()
        app.router.add_route("*", "/{tail:.*}", scene.serve)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        scene.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
        config = {"allow_private": LOCAL, "secrets": "SIGN=hush, TOKEN=t0k"}
        async with kernel.running(build(), config=config):
            yield scene
        await runner.cleanup()


async def test_the_request_is_signed_and_whole(scene: Scene) -> None:
    _, outcome = await scene.deliver(secret="SIGN", headers={"Authorization": "Bearer ${TOKEN}"})
    assert outcome.done
    ((headers, raw),) = scene.asked
    body = json.loads(raw)
    assert body["event"]["type"] == "message.received"
    assert body["event"]["event_id"] == headers["X-Jackfield-Event"]
    assert body["bot"]["uuid"] == body["event"]["bot_uuid"] == "bot"
    assert body["attempt"] == 1
    signed = hmac.new(b"hush", headers["X-Jackfield-Timestamp"].encode() + b"." + raw, hashlib.sha256)
    assert headers["X-Jackfield-Signature"] == f"sha256={signed.hexdigest()}"
    assert headers["Authorization"] == "Bearer t0k"


@pytest.mark.parametrize(
    "failure", [says(status=500), says(status=503), says(status=408), says(status=429), drops]
)
async def test_what_may_pass_is_tried_again_with_the_same_id(scene: Scene, failure: Answer) -> None:
    scene.answers = [failure, failure, says()]
    _, outcome = await scene.deliver()
    assert outcome.done
    bodies = [json.loads(raw) for _, raw in scene.asked]
    assert [body["attempt"] for body in bodies] == [1, 2, 3]
    assert len({body["event"]["event_id"] for body in bodies}) == 1


async def test_silence_is_tried_again_and_in_the_end_a_dead_letter(scene: Scene) -> None:
    scene.answers = [hangs]
    _, outcome = await scene.deliver(timeout=0.1, retry_count=2)
    assert outcome.error is not None
    assert not outcome.error.retryable
    assert "after 3 attempts" in outcome.error.message
    assert len(scene.asked) == 3


async def test_retry_after_is_honoured(scene: Scene) -> None:
    scene.answers = [says(status=429, **{"Retry-After": "1"}), says()]
    began = asyncio.get_running_loop().time()
    _, outcome = await scene.deliver()
    assert outcome.done
    assert asyncio.get_running_loop().time() - began >= 1.0


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (says(status=404), "answered 404"),
        (says(status=302, Location="http://169.254.169.254/latest"), "redirects are not followed"),
        (says({"x": "y" * (1 << 20)}), "above 1 MiB"),
        (says("<html>"), "text/html"),
        (says({"actions": "none"}), "expected a list"),
    ],
)
async def test_what_will_not_pass_is_a_dead_letter_at_once(scene: Scene, answer: Answer, words: str) -> None:
    scene.answers = [answer]
    _, outcome = await scene.deliver(response_actions=True, allowed_actions=["reply"])
    assert outcome.error is not None
    assert words in outcome.error.message
    assert len(scene.asked) == 1


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "[::1]", "2130706433", "0x7f.1", "[::ffff:127.0.0.1]"]
)
async def test_private_addresses_are_refused(scene: Scene, host: str) -> None:
    scene.kernel.configure({"allow_private": []})
    _, outcome = await scene.deliver(url=scene.url.replace("127.0.0.1", host), retry_count=0)
    assert outcome.error is not None
    # aiohttp takes some spellings for no URL at all.
    assert outcome.error.reason in ("PERMISSION_DENIED", "PLATFORM_ERROR")
    assert scene.asked == []


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("93.184.216.34", True),
        ("2606:2800:220:1::1", True),
        ("10.0.0.1", False),
        ("10.9.0.1", True),
        ("169.254.169.254", False),
        ("::ffff:169.254.169.254", False),
        ("64:ff9b::a9fe:a9fe", False),
        ("2002:a9fe:a9fe::1", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("fe80::1%eth0", False),
        ("fd00::1", False),
    ],
)
def test_which_addresses_are_reached(address: str, expected: bool) -> None:
    assert allowed(address, [ipaddress.ip_network("10.9.0.0/16")]) is expected


async def test_actions_are_done_in_order_and_once(scene: Scene) -> None:
    actions = [
        {"type": "reply", "params": {"message": "one"}},
        {"type": "dance"},
        {"type": "kick_member", "params": {"user_id": "9"}},
        {"type": "send_message", "params": {"target_type": "nowhere"}, "optional": True},
        {
            "type": "send_message",
            "params": {
                "target_type": "group",
                "target_id": "5",
                "message": [{"type": "Plain", "text": "two"}],
            },
        },
        {"type": "reply", "params": {"message": []}},
        {"type": "reply", "params": {"message": "never"}},
    ]
    scene.answers = [says({"actions": actions}), says({"actions": actions[:1]})]
    rule = {"response_actions": True, "allowed_actions": ["reply", "send_message"]}
    delivered, outcome = await scene.deliver(**rule)
    assert outcome.done
    texts = [sent.text for sent in scene.kernel.sent]
    assert texts == ["one", "two"]
    again = await scene.kernel.deliver(
        message("hi"), rule_config={"url": scene.url, **rule}, delivery_id=delivered.id, attempt=2
    )
    assert (await again.outcome).done
    assert len(scene.asked) == 1
    assert [sent.text for sent in scene.kernel.sent] == texts


async def test_no_action_without_the_operator_s_word(scene: Scene) -> None:
    scene.answers = [says({"actions": [{"type": "reply", "params": {"message": "x"}}]})]
    assert (await scene.deliver())[1].done
    assert (await scene.deliver(response_actions=True))[1].done
    assert scene.kernel.sent == []


async def test_a_secret_that_is_not_there(scene: Scene) -> None:
    _, outcome = await scene.deliver(secret="NONE")
    assert outcome.error is not None
    assert "no NONE in" in outcome.error.message
    assert scene.asked == []
