"""The runner of kind dify against a server that speaks the wire and misbehaves."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from jackfield.v1 import adapter_message_pb2, responder_pb2
from jackfield_runners.runners import build
from jackfield_sdk import Chat, Image, Media, Message, User
from jackfield_sdk.payload import CustomEvent
from jackfield_sdk.testing import FakeKernel, fake_state, message
from jackfield_sdk.testing.events import event
from jackfield_sdk.testing.records import Delivered

from .server import KEY, Server, chat, floods, never, refuses, served, streams, workflow

STOP = "/jackfield.v1.Responder/StopAnswers"


class House:
    """The plugin and the server."""

    def __init__(self, kernel: FakeKernel, server: Server) -> None:
        self.kernel = kernel
        self.server = server

    @contextlib.asynccontextmanager
    async def running(self, **runner: Any) -> AsyncIterator[None]:
        """The plugin with one runner, `support`."""
        entry = {"name": "support", "kind": "dify", "url": self.server.url, "key": "main", **runner}
        config = {"keys": f"other=1\nmain={KEY}\n", "runners": [entry], "language": "en"}
        async with self.kernel.running(build(), config=config):
            yield

    async def answered(self, text: str | Message = "hi", *, rule: Any = None, **fields: Any) -> Delivered:
        """A message, handled."""
        delivered = await self.kernel.deliver(
            message(text, **fields), rule_config=rule or {"runner": "support"}
        )
        outcome = await asyncio.wait_for(asyncio.shield(delivered.outcome), 20)
        assert outcome.done, outcome.error
        return delivered


@pytest.fixture
async def house() -> AsyncIterator[House]:
    async with FakeKernel() as kernel, served() as server:
        yield House(kernel, server)


def told(delivered: Delivered) -> list[str]:
    return [reply.text for reply in delivered.replies]


async def test_a_question_is_put_and_its_answer_told(house: House) -> None:
    async with house.running(inputs={"who": "{sender_name}"}):
        assert told(await house.answered("What now?")) == ["Hello there"]
    (asked,) = house.server.asked
    assert asked == {
        "path": "chat-messages", "inputs": {"who": "Ann"}, "query": "What now?", "response_mode": "streaming",
        "user": "bot_person_7", "conversation_id": "", "files": [],
    }  # fmt: skip
    assert len(house.server.keys[0]) == 32


async def test_a_conversation_goes_on_until_somebody_begins_a_new_one(house: House) -> None:
    async with house.running():
        for text in ("one", "two"):
            await house.answered(text)
        await house.answered("elsewhere", chat=Chat.group("5"))
        data = {"bot": "bot", "chat": "private:7"}
        await house.kernel.observe(event("conversation.reset", CustomEvent(data)))
        await house.answered("three")
    assert [asked["conversation_id"] for asked in house.server.asked] == ["", "conv-1", "", ""]


async def test_a_conversation_that_is_gone_there_is_begun_anew(house: House) -> None:
    house.server.scripts = [
        streams(*chat("a")),
        refuses(404, "not_found", "Conversation Not Exists."),
        streams(*chat("b", conversation="conv-2")),
    ]
    async with house.running():
        await house.answered("one")
        assert told(await house.answered("two")) == ["b"]
        await house.answered("three")
    assert [asked["conversation_id"] for asked in house.server.asked] == ["", "conv-1", "", "conv-2"]


async def test_each_person_has_a_conversation_and_is_forgotten(house: House) -> None:
    async with house.running(per_user=True):
        for user in ("7", "8", "7"):
            await house.answered(user, chat=Chat.group("5"), sender=User(id=user))
        gone = event("jackfield.user_forgotten", CustomEvent({"user": "7", "bot": ""}))
        await house.kernel.observe(gone)
        for user in ("7", "8"):
            await house.answered(user, chat=Chat.group("5"), sender=User(id=user))
    assert [asked["user"] for asked in house.server.asked][:2] == ["bot_person_7", "bot_person_8"]
    assert [asked["conversation_id"] for asked in house.server.asked] == ["", "", "conv-1", "", "conv-1"]


@pytest.mark.parametrize(
    ("app", "script", "expected"),
    [
        ("agent", streams(*chat("I ", "look.", event="agent_message")), "I look."),
        ("chat", streams(*chat("bad"), {"event": "message", "answer": "late"}), "bad"),
        ("chat", streams(chat("rude")[0], {"event": "message_replace", "answer": "polite"}, chat()[-1]), "polite"),
        ("workflow", streams(*workflow("a", "b", outputs={"text": "ab"})), "ab"),
        ("workflow", streams(*workflow(outputs={"n": 1, "text": "found"})), "found"),
        ("workflow", streams(*workflow(outputs={"x": "one", "y": "two"})), "one\ntwo"),
        ("workflow", streams(*workflow(outputs={})), "(there was no answer)"),
        ("chat", streams("[1]", "null", *chat("fine")), "fine"),
    ],
)  # fmt: skip
async def test_what_applications_say(house: House, app: str, script: Any, expected: str) -> None:
    house.server.scripts = [script]
    async with house.running(app=app):
        assert told(await house.answered()) == [expected]


async def test_thoughts_are_left_out(house: House) -> None:
    house.server.scripts = [streams(*chat("<thi", "nk>secret", " plan</think>", "\nFor you"))]
    async with house.running(remove_think=True):
        assert told(await house.answered()) == ["For you"]


async def test_files_go_along_and_come_back(house: House) -> None:
    def fetched(request: Any) -> list[Any]:
        return [adapter_message_pb2.FetchMediaResponse(data=b"jpeg", mime="image/jpeg")]

    house.kernel.answer("/jackfield.v1.Adapter/FetchMedia", adapter_message_pb2.FetchMediaRequest, fetched)
    link = {"event": "message_file", "type": "image", "url": "/files/a.png", "conversation_id": "conv-1"}
    house.server.scripts = [streams(link, *chat("Look"))]
    async with house.running():
        delivered = await house.answered(Message("see", Image(Media(platform_id="p1"))))
        (reply,) = delivered.replies
        image = reply.message.first(Image)
        assert image is not None
        assert image.media is not None
        assert image.media.mime == "image/png"
        assert house.kernel.state.blobs[image.media.blob_id] == b"\x89PNG picture"
    assert house.server.uploads == [("image/jpeg", "bot_person_7", b"jpeg")]
    assert house.server.asked[0]["files"] == [
        {"type": "image", "transfer_method": "local_file", "upload_file_id": "file-1"}
    ]


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (refuses(400, message="inputs.who is required"), "INVALID_ARGUMENT"),
        (refuses(413, "file_too_large"), "CONTENT_TOO_LARGE"),
        (refuses(500, "internal_server_error"), "PLATFORM_ERROR"),
        (refuses(302, location="http://127.0.0.1:1/"), "PLATFORM_ERROR"),
        (streams({"event": "error", "status": 400, "code": "provider_quota_exceeded", "message": "x"}), "PLATFORM_ERROR"),
        (streams({"event": "workflow_paused", "data": {}}), "PLATFORM_ERROR"),
        (streams("{broken"), "PLATFORM_ERROR"),
        (streams(drop=True), "UNAVAILABLE"),
        (streams(), "UNAVAILABLE"),
        (floods(b"x" * 65536), "PLATFORM_ERROR"),
        (floods(b"data: " + b"x" * 65536 + b"\n"), "PLATFORM_ERROR"),
        pytest.param(floods(b": ping\n\n" * 4096), "PLATFORM_ERROR", marks=pytest.mark.slow),
    ],
)  # fmt: skip
async def test_a_failure_is_told_in_a_word_and_asked_once(house: House, script: Any, reason: str) -> None:
    house.server.scripts = [script]
    async with house.running():
        delivered = await house.answered()
    assert told(delivered) == [f"I could not get an answer ({reason}). Please try again later."]
    assert len(house.server.asked) == 1


@pytest.mark.parametrize("script", [refuses(503), refuses(429, "too_many_requests", retry_after="0")])
async def test_what_was_not_asked_is_asked_again(house: House, script: Any) -> None:
    house.server.scripts = [script, streams(*chat("Hello there"))]
    async with house.running():
        assert told(await house.answered()) == ["Hello there"]
    assert len(set(house.server.keys)) == 1


async def test_a_workflow_that_failed_is_no_answer(house: House) -> None:
    house.server.scripts = [streams(*workflow(status="failed", error="node x"))]
    async with house.running(app="workflow"):
        assert "(PLATFORM_ERROR)" in told(await house.answered())[0]


@pytest.mark.parametrize("script", [never, streams(hang=True), streams("{}", hang=True)])
async def test_silence_ends(house: House, script: Any) -> None:
    house.server.scripts = [script]
    async with house.running(first_seconds=0.2, idle_seconds=0.2):
        (text,) = told(await house.answered())
    assert text == "The answer takes too long (DEADLINE_EXCEEDED). Please ask again later."
    assert len(house.server.asked) == 1


async def test_an_endless_answer_ends(house: House) -> None:
    house.server.scripts = [floods(b'data: {"event": "ping"}\n\n')]
    async with house.running(max_seconds=0.3):
        (text,) = told(await house.answered())
    assert "(DEADLINE_EXCEEDED)" in text or "(PLATFORM_ERROR)" in text


@pytest.mark.parametrize("ending", [{"drop": True}, {}])
async def test_what_came_before_a_break_stays(house: House, ending: Any) -> None:
    house.server.scripts = [streams(*chat("Once upon ", "a time")[:-1], **ending)]
    async with house.running():
        (text,) = told(await house.answered())
    assert text == "Once upon a time\n\n(the answer broke off here: UNAVAILABLE)"


async def test_a_text_above_the_bound_is_cut_and_becomes_a_file(house: House) -> None:
    house.server.scripts = [streams(*chat(*["字" * 50_000] * 9))]
    async with house.running():
        (reply,) = (await house.answered()).replies
        (blob,) = house.kernel.state.blobs.values()
    assert reply.text.endswith("(the answer broke off here: CONTENT_TOO_LARGE)")
    assert len(blob) == 1024 * 1024 - 1


async def test_a_wrong_key_is_never_shown(house: House, caplog: pytest.LogCaptureFixture) -> None:
    async with house.running():
        house.kernel.configure({
            "keys": "main=sk-wrong-key", "runners": [
                {"name": "support", "kind": "dify", "url": house.server.url, "key": "main"}
            ],
        })  # fmt: skip
        (text,) = told(await house.answered())
    assert "(AUTH_EXPIRED)" in text
    assert "sk-wrong-key" not in caplog.text
    assert "answered 401" in caplog.text


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        ({"runner": "nobody"}, "NOT_FOUND"),
        ({"kind": "dify", "url": "http://127.0.0.1:1/v1"}, "INVALID_ARGUMENT"),
        ({"kind": "dify", "url": "http://127.0.0.1:1/v1", "key": "nokey"}, "INVALID_ARGUMENT"),
        ({"runner": "support", "url": "http://127.0.0.1:1/v1"}, "INVALID_ARGUMENT"),
        ({"runner": "support", "inputs": {"a": "{nothing}"}}, "INVALID_ARGUMENT"),
    ],
)
async def test_a_wrong_setting_is_a_dead_letter_and_a_word(house: House, rule: Any, reason: str) -> None:
    async with house.running():
        delivered = await house.kernel.deliver(message("hi"), rule_config=rule)
        outcome = await delivered.outcome
    assert outcome.error is not None
    assert (outcome.error.reason, outcome.error.retryable) == (reason, False)
    assert f"({reason})" in told(delivered)[0]
    assert house.server.asked == []


async def test_other_events_are_refused(house: House) -> None:
    async with house.running():
        delivered = await house.kernel.deliver(event("friend.added"), rule_config={"runner": "support"})
        outcome = await delivered.outcome
    assert outcome.error is not None
    assert "not friend.added" in outcome.error.message


async def test_a_redelivery_asks_nothing(house: House) -> None:
    async with house.running():
        first = await house.answered()
        again = await house.kernel.redeliver(first)
        assert (await again.outcome).done
    assert len(house.server.asked) == 1


async def test_an_answer_grows_and_is_stopped(house: House) -> None:
    gate = asyncio.Event()
    house.server.scripts = [streams(*chat("Once", " upon"), gate=gate)]
    async with house.running():
        delivered = await house.kernel.deliver(message("tell"), rule_config={"runner": "support"})
        async with asyncio.timeout(10):
            while not house.server.asked:
                await asyncio.sleep(0.01)
            stopped = 0
            while not stopped:
                # Until the answer has begun there is nothing to stop.
                response = await house.kernel.call_service(
                    STOP,
                    responder_pb2.StopAnswersRequest(),
                    responder_pb2.StopAnswersResponse,
                    target="bot:private:7",
                )
                stopped = response.stopped
            outcome = await delivered.outcome
    assert outcome.done
    assert told(delivered)[-1].endswith("(stopped)")
    assert outcome.emits[-1][1]["outcome"] == "stopped"


async def test_an_interruption_ends_the_question(house: House) -> None:
    house.server.scripts = [streams(chat("Once")[0], hang=True)]
    async with house.running():
        delivered = await house.kernel.deliver(message("tell"), rule_config={"runner": "support"})
        async with asyncio.timeout(10):
            while not house.server.asked:
                await asyncio.sleep(0.01)
        house.kernel.cancel(delivered, confirm=True)
        await asyncio.wait_for(delivered.outcome, 10)
        house.server.scripts = [streams(*chat("Anew"))]
        assert told(await house.answered("again")) == ["Anew"]


async def test_an_idle_conversation_expires(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    plain, written = fake_state.METHODS["KvWrite"], []

    def write(state: fake_state.FakeState, plugin: str, request: Any) -> Any:
        written.extend((one.key, one.ttl.ToSeconds()) for one in request.writes)
        return plain[1](state, plugin, request)

    monkeypatch.setitem(fake_state.METHODS, "KvWrite", (plain[0], write))
    async with house.running(expire_seconds=3600):
        await house.answered()
    # When the conversation was named, and again when the answer was whole: its idleness begins then.
    assert written == [("conversation/support/bot:private:7", 3600)] * 2


async def test_what_cannot_work_is_told_to_the_operator(house: House) -> None:
    async with house.running(key="nobody"):
        report = house.kernel.session("runners").report
    (warning,) = report.warnings
    assert "runner support: keys has no line nobody=" in warning.message
