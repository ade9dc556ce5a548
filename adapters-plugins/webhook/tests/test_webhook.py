"""Requests as events, messages as requests, on a fake kernel."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from jackfield.v1 import adapter_message_pb2, ingress_pb2
from jackfield_kernel.manifest import load_manifest
from jackfield_sdk import (
    AuthExpired,
    Chat,
    ContentTooLarge,
    Forward,
    ForwardNode,
    Image,
    InteractionKind,
    InvalidArgument,
    JackfieldError,
    Media,
    Message,
    NotSupported,
    PlatformError,
    RateLimited,
    ReplyReference,
    Target,
    Text,
    Unavailable,
    Video,
)
from jackfield_sdk.ingress import HANDLE
from jackfield_sdk.testing import FakeKernel
from jackfield_webhook import adapter, inbound
from jackfield_webhook.signing import signed_headers
from receiver import SECRET, Receiver, sign

# A local server and the fake kernel for each test: together more than `make test-fast` has time for.
pytestmark = pytest.mark.slow

CHAT = Chat.private("c1")
HELLO = {"chat": {"id": "c1"}, "text": "hello"}


@asynccontextmanager
async def bot(kernel: FakeKernel, **config: Any) -> AsyncIterator[None]:
    async with kernel.running(adapter.create_plugin(), name="webhook"):
        await kernel.open_bot("b", {"secret": SECRET, **config}, plugin="webhook")
        yield


async def request(kernel: FakeKernel, content: Any, key: str = "k1") -> tuple[int, Any]:
    proto = ingress_pb2.HandleRequestRequest(route="in", method="POST")
    proto.body = content if isinstance(content, bytes) else json.dumps(content).encode()
    proto.headers.add(name="idempotency-key", value=key)
    answer = await kernel.call_service(
        HANDLE, proto, ingress_pb2.HandleRequestResponse, target=Target(bot="b")
    )
    return answer.status, json.loads(answer.body)


async def test_a_message_is_answered_once_it_is_durable() -> None:
    async with FakeKernel() as kernel, bot(kernel):
        status, answer = await request(kernel, {**HELLO, "sender": {"id": "u1", "name": "Ann"}}, "order-7")
        (published,) = kernel.published
        event = published.event
        assert (status, answer) == (202, {"event_id": event.id})
        assert (event.text, event.chat, published.dedup_key) == ("hello", CHAT, "order-7")
        assert event.sender is not None
        assert (event.sender.id, event.sender.nickname) == ("u1", "Ann")
        assert event.message_id == "order-7"


async def test_what_makes_no_sense_is_told_to_the_caller_and_nothing_is_stored() -> None:
    async with FakeKernel() as kernel, bot(kernel):
        for content in (b"{", b"[]", b"\xff", {**HELLO, "type": "x"}):
            try:
                status, answer = await request(kernel, content)
            except InvalidArgument:
                continue
            assert (status, answer["error"]) == (400, "INVALID_ARGUMENT")
        assert not kernel.published


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"text": ""}, "text"),
        ({"text": 5}, "text"),
        ({"text": "x" * 200_001}, "text"),
        ({"chat": None}, "chat"),
        ({"chat": {"id": "c", "type": "dm"}}, "chat.type"),
        ({"chat": {"id": "c\x00"}}, "chat.id"),
        ({"chat": {"id": "c" * 257}}, "chat.id"),
        ({"chat": {"id": "g", "type": "group"}}, "sender"),
        ({"mentions_bot": "yes"}, "mentions_bot"),
        ({"segments": []}, "text"),
        ({"text": None, "type": "edit"}, "message_id"),
        ({"type": "reaction", "message_id": "m"}, "reaction"),
        ({"type": "interaction", "action_id": "a", "kind": "nod"}, "kind"),
        ({"type": "interaction", "action_id": "a", "values": []}, "values"),
    ],
)
def test_the_field_that_is_wrong_is_named(change: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        inbound.event_of({**HELLO, **change}, "k")
    assert caught.value.metadata["field"] == field


@pytest.mark.parametrize(
    "segments",
    [
        [],
        "x",
        [{"text": {"text": "a"}, "image": {}}],
        [{"image": {"media": {"blob_id": "sha256-0"}}}],
        [{"image": {"media": {"platform_id": "x"}}}],
        [{"image": {"media": {"url": "file:///etc/passwd"}}}],
        [{"image": {"path": "/etc/passwd"}}],
        [{"video": {"media": {"url": "https://h/v"}, "cover": {"blob_id": "sha256-0"}}}],
        [{"forward": {}}],
        [{}],
    ],
)
def test_segments_that_a_caller_may_not_name_are_refused(segments: Any) -> None:
    with pytest.raises(InvalidArgument):
        inbound.event_of({"chat": {"id": "c"}, "segments": segments}, "k")


def test_every_kind_of_request_is_its_event() -> None:
    chat = {"chat": {"id": "g", "type": "group", "thread_id": "t"}, "sender": {"id": "u"}}
    picture = [{"text": {"text": "see "}}, {"image": {"media": {"url": "https://h/p.png"}}}]
    message = inbound.event_of({**chat, "segments": picture, "id": "m1"}, "k").message
    assert message == Message(Text("see "), Image(Media(url="https://h/p.png")))
    edited = inbound.event_of({**chat, "type": "edit", "message_id": "m1", "text": "new"}, "k")
    assert (edited.message_id, edited.text) == ("m1", "new")
    assert inbound.event_of({**chat, "type": "delete", "message_id": "m1"}, "k").message_id == "m1"
    reaction = inbound.event_of(
        {**chat, "type": "reaction", "message_id": "m1", "reaction": "+", "removed": True}, "k"
    )
    assert not reaction.payload.is_add  # type: ignore[union-attr]
    pressed = inbound.event_of(
        {**chat, "type": "interaction", "kind": "form", "action_id": "go", "values": {"n": 1}}, "k"
    ).payload
    assert (pressed.kind, pressed.values, pressed.id) == (InteractionKind.FORM, {"n": 1}, "k")  # type: ignore[union-attr]


async def test_answers_are_posted_signed_and_a_repeat_has_the_same_key() -> None:
    async with FakeKernel() as kernel, Receiver() as receiver, bot(kernel, callback_url=receiver.url):
        for _ in range(2):
            result = await kernel.call(
                "b",
                "ReplyMessage",
                chat=CHAT,
                key="call-1",
                message=Message("hi"),
                reference=ReplyReference("m0"),
                quote_origin=True,
            )
        first, second = receiver.taken
        assert first == second
        assert (first["id"], first["part"], first["is_final"]) == (result.message_id, 1, True)
        assert (first["text"], first["reply_to"], first["quote"]) == ("hi", "m0", True)
        assert first["chat"] == {"type": "private", "id": "c1"}
        assert len(set(receiver.keys)) == 1


async def test_a_streamed_answer_comes_in_numbered_parts_and_ends_with_the_final_one() -> None:
    async with FakeKernel() as kernel, Receiver() as receiver, bot(kernel, callback_url=receiver.url):
        call = kernel.open_call(
            "/jackfield.v1.Adapter/StreamReply",
            _step(1, "a", opening=True),
            target=Target(bot="b", chat=CHAT),
            key="s1",
            half_closed=False,
        )
        for number, text, final in ((2, "a b", False), (3, "a b c", True)):
            await call.send(_step(number, text, final=final).SerializeToString())
        call.half_close()
        await call.result()
        assert [(one["part"], one["text"], one["is_final"]) for one in receiver.taken] == [
            (1, "a", False),
            (2, "a b c", True),
        ]
        assert len({one["id"] for one in receiver.taken}) == 1


def _step(
    number: int, text: str, *, opening: bool = False, final: bool = False
) -> adapter_message_pb2.StreamReplyRequest:
    request = adapter_message_pb2.StreamReplyRequest(sequence=number, text=text, is_final=final)
    if opening:
        request.opening.SetInParent()
    return request


@pytest.mark.parametrize(
    ("status", "headers", "error"),
    [
        (429, {"Retry-After": "7"}, RateLimited),
        (429, {"Retry-After": "soon"}, RateLimited),
        (401, {}, AuthExpired),
        (413, {}, ContentTooLarge),
        (404, {}, PlatformError),
        (302, {"Location": "http://169.254.169.254/"}, PlatformError),
        (503, {}, Unavailable),
    ],
)
async def test_what_the_callback_answers_is_a_typed_error(
    status: int, headers: dict[str, str], error: type[JackfieldError]
) -> None:
    async with FakeKernel() as kernel, Receiver() as receiver, bot(kernel, callback_url=receiver.url):
        receiver.statuses = [(status, headers)]
        with pytest.raises(error) as caught:
            await kernel.call("b", "SendMessage", chat=CHAT, message=Message("hi"))
        if headers.get("Retry-After") == "7":
            assert caught.value.retry_after == 7
        assert SECRET not in str(caught.value)


async def test_without_a_callback_it_says_so_and_without_an_answer_it_is_tried_again() -> None:
    async with FakeKernel() as kernel, bot(kernel):
        with pytest.raises(NotSupported, match="callback_url"):
            await kernel.call("b", "SendMessage", chat=CHAT, message=Message("hi"))
    async with FakeKernel() as kernel, bot(kernel, callback_url="http://127.0.0.1:9/none"):
        with pytest.raises(Unavailable):
            await kernel.call("b", "SendMessage", chat=CHAT, message=Message("hi"))


async def test_files_travel_in_base64_up_to_their_limit() -> None:
    async with FakeKernel() as kernel, Receiver() as receiver, bot(kernel, callback_url=receiver.url):
        plugin = kernel.sessions["webhook"]
        assert plugin is not None
        kernel.state.blobs["sha256-1"] = b"png"
        media = Media(blob_id="sha256-1", name="p.png", size=3)
        await kernel.call("b", "SendMessage", chat=CHAT, message=Message(Image(media)))
        (shown,) = receiver.taken[0]["segments"]
        assert shown["image"]["data"] == "cG5n"
        assert "blob_id" not in shown["image"]["media"]
        bundle = Forward(nodes=(ForwardNode(message=Message(Image(media))),))
        film = Video(Media(url="https://h/v"), cover=media)
        await kernel.call("b", "SendMessage", chat=CHAT, message=Message(bundle, film))
        inner, film_shown = receiver.taken[1]["segments"]
        assert inner["forward"]["nodes"][0]["message"]["segments"][0]["image"]["data"] == "cG5n"
        assert film_shown["video"]["cover"]["data"] == "cG5n"
        assert "blob_id" not in json.dumps(receiver.taken)
        big = Media(blob_id="sha256-1", size=2 << 20)
        with pytest.raises(ContentTooLarge):
            await kernel.call("b", "SendMessage", chat=CHAT, message=Message(Image(big)))


@pytest.mark.parametrize(
    ("api", "fields", "kind"),
    [
        ("EditMessage", {"message_id": "m1", "message": Message("new")}, "edit"),
        ("DeleteMessage", {"message_id": "m1"}, "delete"),
        ("AddReaction", {"message_id": "m1", "reaction": "+"}, "reaction"),
        ("RemoveReaction", {"message_id": "m1", "reaction": "+"}, "reaction"),
        ("SendTyping", {}, "typing"),
    ],
)
async def test_other_calls_are_posts_of_their_kind(api: str, fields: dict[str, Any], kind: str) -> None:
    async with FakeKernel() as kernel, Receiver() as receiver, bot(kernel, callback_url=receiver.url):
        await kernel.call("b", api, chat=CHAT, **fields)
        assert receiver.taken[0]["type"] == kind


def test_the_adapter_signs_as_callers_do() -> None:
    ours = signed_headers(SECRET, "k", b"{}", 1000)
    theirs = {name.lower(): value for name, value in sign(SECRET, 1000, "k", b"{}").items()}
    assert theirs.items() <= ours.items()


def test_the_manifest_fits() -> None:
    manifest = load_manifest(Path(adapter.__file__).parent / "jackfield-plugin.yaml")
    assert manifest.lent == {"secret"}
