"""The runners of kinds n8n and http against a server that answers well, badly and not at all."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import jwt
import pytest
from jackfield_runners.runners import build
from jackfield_sdk import Chat, Message, Quote
from jackfield_sdk.testing import FakeKernel, message
from jackfield_sdk.testing.records import Delivered

from .server import Server, items, says, served, streams

KEY = "a-key-of-more-than-thirty-two-characters"
CHAT_STREAM = {
    "answer": "sse", "delta": "/choices/0/delta/content", "end": "[DONE]", "error": "/error/message",
    "conversation": "/thread", "body": {"input": "{text}", "thread": "{conversation_id}", "n": 1, "tags": ["{bot}"]},
}  # fmt: skip


class House:
    """The plugin and the server."""

    def __init__(self, kernel: FakeKernel, server: Server) -> None:
        self.kernel = kernel
        self.server = server

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """The plugin, described by rules alone."""
        async with self.kernel.running(build(), config={"keys": f"main={KEY}", "language": "en"}):
            yield

    async def ask(self, said: str | Message = "hi", /, *, kind: str = "n8n", **rule: Any) -> list[str]:
        """What a message under a rule is answered."""
        return [reply.text for reply in (await self.answered(said, kind=kind, **rule)).replies]

    async def answered(self, said: str | Message = "hi", /, *, chat: Any = None, **rule: Any) -> Delivered:
        """The same, as it was delivered."""
        delivered = await self.kernel.deliver(
            message(said, chat=chat), rule_config={"url": self.server.url, **rule}
        )
        outcome = await asyncio.wait_for(asyncio.shield(delivered.outcome), 20)
        assert outcome.done, outcome.error
        return delivered


@pytest.fixture
async def house() -> AsyncIterator[House]:
    async with FakeKernel() as kernel, served() as server:
        yield House(kernel, server)


async def test_a_webhook_gets_all_that_is_known(house: House) -> None:
    quoted = Message(Quote("m0", origin=Message("before")), "and now?")
    async with house.running():
        assert await house.ask(quoted, chat=Chat.group("5")) == ["Hello there"]
        await house.ask("more", chat=Chat.group("5"))
    first, second = house.server.asked
    assert first["chatInput"] == first["message"] == first["user_message_text"] == "(about: before)\nand now?"
    assert (first["session_id"], first["launcher_type"], first["launcher_id"]) == (
        "bot_group_5",
        "group",
        "5",
    )
    assert (first["sender_id"], first["sender_name"], first["platform"]) == ("7", "Ann", "test")
    assert first["conversation_id"] == second["conversation_id"] != ""
    assert first["msg_create_time"] > 0
    one, other = (headers["idempotency-key"] for headers in house.server.headers)
    assert one != other


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        (streams("".join(items("Once ", "upon")), gate=None), "Once upon"),
        (streams(*(f"{item}\n" for item in items("Once ", 'a "{quoted}" \\ brace'))), 'Once a "{quoted}" \\ brace'),
        (streams(*(bytes([byte]) for byte in "".join(items("字", "母")).encode())), "字母"),
        (says({"response": "found", "other": 1}), "found"),
        (says([{"response": "in a list"}]), "in a list"),
        (says({"text": "elsewhere"}), '{"text": "elsewhere"}'),
        (says({"response": {"a": 1}}), '{"a": 1}'),
        (says("plain words", kind="text/plain"), "plain words"),
        (says("", kind="text/plain"), "(there was no answer)"),
    ],
)  # fmt: skip
async def test_what_a_webhook_says(house: House, script: Any, expected: str) -> None:
    house.server.scripts = [script]
    async with house.running():
        assert await house.ask() == [expected]


async def test_the_key_of_the_output_may_be_named(house: House) -> None:
    house.server.scripts = [says({"text": "elsewhere"})]
    async with house.running():
        assert await house.ask(output_key="text") == ["elsewhere"]


@pytest.mark.parametrize(
    ("auth", "header", "expected"),
    [
        ({"auth": "basic", "auth_user": "ann"}, "authorization", "Basic " + base64.b64encode(f"ann:{KEY}".encode()).decode()),
        ({"auth": "header", "auth_header": "X-Token"}, "x-token", KEY),
        ({"auth": "bearer"}, "authorization", f"Bearer {KEY}"),
    ],
)  # fmt: skip
async def test_who_asks_is_proved(house: House, auth: Any, header: str, expected: str) -> None:
    async with house.running():
        await house.ask(key="main", **auth)
    assert house.server.headers[0][header] == expected


async def test_a_token_is_signed(house: House) -> None:
    async with house.running():
        await house.ask(auth="jwt", key="main")
        assert "INVALID_ARGUMENT" in (await house.ask(auth="jwt", key="main", jwt_algorithm="RS256"))[0]
    token = house.server.headers[0]["authorization"].removeprefix("Bearer ")
    claims = jwt.decode(token, KEY, algorithms=["HS256"])
    assert claims["sub"] == "bot_person_7"
    assert claims["exp"] - claims["iat"] == 3600
    assert len(house.server.asked) == 1


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (says({"message": "Error in workflow"}, status=500), "PLATFORM_ERROR"),
        (says({"message": "not registered"}, status=404), "NOT_FOUND"),
        (says("no", status=403), "AUTH_EXPIRED"),
        (says("{broken"), "PLATFORM_ERROR"),
        (streams("[" * 100_000), "PLATFORM_ERROR"),
        (streams('"' + "x" * 2_000_000), "PLATFORM_ERROR"),
        (streams(json.dumps({"type": "error", "content": "no model"})), "PLATFORM_ERROR"),
        (streams("{", drop=True), "UNAVAILABLE"),
        (streams("{", hang=True), "DEADLINE_EXCEEDED"),
    ],
)  # fmt: skip
async def test_a_failure_is_told_in_a_word_and_asked_once(house: House, script: Any, reason: str) -> None:
    house.server.scripts = [script]
    async with house.running():
        (text,) = await house.ask(idle_seconds=0.3)
    assert f"({reason})" in text
    assert len(house.server.asked) == 1


async def test_a_stream_that_does_not_end_is_marked(house: House) -> None:
    house.server.scripts = [streams("".join(items("Once ")[:-1]))]
    async with house.running():
        (text,) = await house.ask()
    assert text.startswith("Once ")
    assert "broke off here" in text


@pytest.mark.slow
async def test_nobody_there_is_tried_three_times(house: House) -> None:
    async with house.running():
        (text,) = await house.ask(url="http://127.0.0.1:1/webhook")
    assert text == "I could not get an answer (UNAVAILABLE). Please try again later."


def sse(*values: Any, end: str = "[DONE]") -> str:
    texts = [value if isinstance(value, str) else json.dumps(value) for value in values]
    return "".join(f"data: {text}\r\n\r\n" for text in [*texts, end] if text)


def said(text: str, **fields: Any) -> dict[str, Any]:
    return {"choices": [{"delta": {"content": text}}], **fields}


async def test_any_stream_can_be_described(house: House) -> None:
    house.server.scripts = [
        streams(": hello\n\n", sse(said("Once ", thread="t-9"), said("upon"), "no json"), kind="text/event-stream")
    ]  # fmt: skip
    hostile = 'He said "{bot}" {{x}} \\ '
    async with house.running():
        for text in (hostile, "more"):
            assert await house.ask(text, kind="http", **CHAT_STREAM) == ["Once upon"]
    first, second = house.server.asked
    assert first == {"input": hostile.strip(), "thread": "", "n": 1, "tags": ["bot"]}
    assert second["thread"] == "t-9"


@pytest.mark.parametrize(
    ("rule", "script", "expected"),
    [
        ({"text": "/outputs/-1/text"}, says({"outputs": [{"text": "a"}, {"text": "b"}]}), "b"),
        ({"text": ""}, says({}), None),
        ({"text": "/a~1b/c~0d"}, says({"a/b": {"c~d": 7}}), "7"),
        ({"answer": "lines", "text": "/text"}, streams('{"text": "On"}\n{"text": "Once"}\n'), "Once"),
        ({"answer": "lines", "delta": "/t", "kind_at": "/k", "kinds": ["w"], "end_at": "/done"},
         streams('{"k": "w", "t": "a"}\n{"k": "x", "t": "!"}\n{"k": "w", "t": "b", "done": true}\n{"k": "w", "t": "c"}\n'), "ab"),
        ({"answer": "sse", "delta": "/t", "kinds": ["token"], "end": "stop"},
         streams('event: token\ndata: {"t": "x"}\n\nevent: stop\ndata: {}\n\n', kind="text/event-stream"), "x"),
    ],
)  # fmt: skip
async def test_answers_are_found_by_pointers(
    house: House, rule: Any, script: Any, expected: str | None
) -> None:
    house.server.scripts = [script]
    async with house.running():
        if expected is None:
            delivered = await house.kernel.deliver(
                message("hi"), rule_config={"kind": "http", "url": house.server.url, **rule}
            )
            assert (await delivered.outcome).error is not None
        else:
            assert await house.ask(kind="http", **rule) == [expected]


async def test_headers_and_queries_are_filled_in(house: House) -> None:
    house.server.scripts = [says({"text": "x"})]
    async with house.running():
        await house.ask(
            kind="http", method="GET", key="main", text="/text", body={"q": "{text}"},
            headers={"x-api-key": "{key}", "x-who": "{sender_id}"},
        )  # fmt: skip
    assert house.server.asked == [{"q": "hi"}]
    assert house.server.headers[0]["x-api-key"] == KEY
    assert house.server.headers[0]["x-who"] == "7"


async def test_an_error_in_a_stream_is_told_without_the_key(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    house.server.scripts = [streams(sse({"error": {"message": f"quota of {KEY}"}}), kind="text/event-stream")]
    async with house.running():
        (text,) = await house.ask(kind="http", key="main", **CHAT_STREAM)
    assert "(PLATFORM_ERROR)" in text
    assert "quota of [key]" in caplog.text


async def test_nobody_smuggles_a_header(house: House) -> None:
    house.server.scripts = [streams(sse(said("x")), kind="text/event-stream")]
    async with house.running():
        rule = {**CHAT_STREAM, "headers": {"x-said": "{text}"}}
        assert await house.ask("a\r\nx-evil: 1 字", kind="http", **rule) == ["x"]
    assert "x-evil" not in house.server.headers[0]
    assert house.server.headers[0]["x-said"] == "a x-evil: 1 字"


@pytest.mark.parametrize(
    "rule",
    [
        {"kind": "http"},
        {"kind": "http", "text": "no/slash"},
        {"kind": "http", "delta": "/x"},
        {"kind": "http", "text": "/x", "body": {"a": ["{oops}"]}},
        {"kind": "n8n", "auth": "jwt"},
        {"kind": "n8n", "auth": "header", "key": "main"},
        {"kind": "n8n", "url": "http://"},
    ],
)
async def test_what_cannot_work_names_the_setting(house: House, rule: Any) -> None:
    async with house.running():
        delivered = await house.kernel.deliver(message("hi"), rule_config={"url": house.server.url, **rule})
        outcome = await delivered.outcome
    assert outcome.error is not None
    assert outcome.error.reason == "INVALID_ARGUMENT"
    assert outcome.error.metadata["field"]
    assert house.server.asked == []
