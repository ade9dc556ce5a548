"""The adapter on a fake kernel against the local Slack, over Socket Mode and by requests."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from jackfield.v1 import adapter_message_pb2, ingress_pb2
from jackfield_sdk import (
    Actions,
    AuthExpired,
    BotState,
    Button,
    Chat,
    ChatType,
    ContentTooLarge,
    Image,
    InvalidArgument,
    JackfieldError,
    Media,
    Message,
    NotFound,
    Overloaded,
    PermissionDenied,
    RateLimited,
    ReplyReference,
    Target,
    Unavailable,
    WindowClosed,
)
from jackfield_sdk.ingress import HANDLE
from jackfield_sdk.testing import FakeKernel
from jackfield_slack.adapter import create_plugin

from tests.platforms.slack import APP_TOKEN, BOT_TOKEN, SIGNING_SECRET, SlackServer
from tests.platforms.slack.events import callback, command, pressed, request, submitted
from tests.platforms.slack.workspace import BOT, DIRECT, GENERAL

# A local server and the fake kernel for each test: together more than `make test-fast` has time for.
pytestmark = pytest.mark.slow

ANN_AND_BOT = Chat(ChatType.PRIVATE, DIRECT)
CHANNEL = Chat(ChatType.CHANNEL, GENERAL)


@asynccontextmanager
async def slack(**config: Any) -> AsyncIterator[tuple[FakeKernel, SlackServer]]:
    async with FakeKernel() as kernel, SlackServer() as server:
        async with kernel.running(create_plugin(), name="slack", grants=["kv"]):
            base = {"bot_token": BOT_TOKEN, "app_token": APP_TOKEN, "api_base_url": server.api}
            opened = await kernel.open_bot("s", {**base, **config}, plugin="slack")
            assert opened.self is not None
            assert opened.self.id == BOT
            if config.get("app_token", APP_TOKEN):
                await server.sockets.until_connected()
                await kernel.wait_bot("s", BotState.ACTIVE)
            yield kernel, server


def by_requests() -> dict[str, str]:
    return {"app_token": "", "signing_secret": SIGNING_SECRET}


async def post(kernel: FakeKernel, kind: str, payload: dict[str, Any], **headers: str) -> int:
    body, content_type = request(kind, payload)
    proto = ingress_pb2.HandleRequestRequest(route="events", method="POST", body=body)
    for name, value in {"content-type": content_type, **headers}.items():
        proto.headers.add(name=name.replace("_", "-"), value=value)
    answer = await kernel.call_service(
        HANDLE, proto, ingress_pb2.HandleRequestResponse, target=Target(bot="s")
    )
    return answer.status


async def test_a_message_is_published_and_then_acknowledged() -> None:
    async with slack() as (kernel, server):
        said = server.workspace.say(DIRECT, "hello &amp; <@UBOT>")
        await server.sockets.until_acked(await server.sockets.send("events_api", callback(said)))
        (published,) = kernel.published
        assert published.event.chat == ANN_AND_BOT
        assert published.event.text == "hello & "
        assert published.dedup_key == f"message:{DIRECT}:{said['ts']}"


async def test_nothing_is_acknowledged_before_it_is_durable() -> None:
    async with slack() as (kernel, server):
        kernel.refuse_publish = lambda event: Overloaded("full")
        server.sockets.ack_seconds = 0.2
        envelope = await server.sockets.send("events_api", callback(server.workspace.say(DIRECT, "kept")))
        while not server.sockets.late:
            await asyncio.sleep(0.02)
        assert envelope not in server.sockets.acked
        kernel.refuse_publish = None
        await server.sockets.until_acked(envelope)
        assert [one.event.text for one in kernel.published] == ["kept"]


@pytest.mark.parametrize(
    "text", ["refused by the kernel", "x" * 600_000], ids=["by the kernel", "by its size"]
)
async def test_what_is_refused_for_good_is_acknowledged_and_holds_up_nobody(text: str) -> None:
    async with slack() as (kernel, server):
        kernel.refuse_publish = lambda event: (
            ContentTooLarge("no") if event.text.startswith("refused") else None
        )
        for _ in range(70):
            envelope = await server.sockets.send("events_api", callback(server.workspace.say(DIRECT, text)))
        await server.sockets.until_acked(envelope)
        after = await server.sockets.send("events_api", callback(server.workspace.say(DIRECT, "after")))
        await server.sockets.until_acked(after)
        assert [one.event.text for one in kernel.published] == ["after"]


async def test_envelopes_keep_their_order_and_a_repeat_is_stored_once() -> None:
    async with slack() as (kernel, server):
        payloads = [callback(server.workspace.say(GENERAL, f"{number}")) for number in range(20)]
        sent = [await server.sockets.send("events_api", payload) for payload in payloads]
        sent.append(await server.sockets.send("events_api", payloads[3]))
        await server.sockets.until_acked(*sent)
        assert [one.event.text for one in kernel.published] == [f"{number}" for number in range(20)]


async def test_a_socket_that_is_dropped_or_sent_away_is_opened_anew() -> None:
    async with slack() as (kernel, server):
        await server.sockets.disconnect()
        await server.sockets.until_connected(2)
        await server.sockets.drop()
        await server.sockets.until_connected(3)
        envelope = await server.sockets.send("events_api", callback(server.workspace.say(DIRECT, "after")))
        await server.sockets.until_acked(envelope)
        assert kernel.published[-1].event.text == "after"


async def test_frames_that_make_no_sense_harm_nobody() -> None:
    async with slack() as (kernel, server):
        for text in ("{", "[]", "null", '{"type": "hello again"}', '{"envelope_id": 5}', "[" * 10_000):
            await server.sockets.raw(text)
        odd = [
            await server.sockets.send("events_api", {"type": "event_callback", "event": None}),
            await server.sockets.send("events_api", {"type": "event_callback", "event": {"type": "message"}}),
            await server.sockets.send("interactive", {"type": "block_actions", "actions": [{"type": []}]}),
            await server.sockets.send("future_kind", {}),
        ]
        good = await server.sockets.send("events_api", callback(server.workspace.say(DIRECT, "still here")))
        await server.sockets.until_acked(*odd, good)
        assert [one.event.text for one in kernel.published] == ["still here"]


async def test_refused_tokens_are_said_with_a_remedy() -> None:
    async with FakeKernel() as kernel, SlackServer() as server, kernel.running(create_plugin(), name="slack"):
        base = {"api_base_url": server.api}
        for config in (
            {"bot_token": "xoxb-wrong", "app_token": APP_TOKEN},
            {"bot_token": BOT_TOKEN, "app_token": "xapp-wrong"},
        ):
            with pytest.raises(AuthExpired) as refused:
                await kernel.open_bot("s", {**base, **config}, plugin="slack")
            assert refused.value.remedy
            assert "wrong" not in str(refused.value)
        with pytest.raises(InvalidArgument, match="app_token"):
            await kernel.open_bot("s", {**base, "bot_token": BOT_TOKEN}, plugin="slack")


async def test_a_token_that_is_revoked_while_it_runs_is_said() -> None:
    async with slack() as (kernel, server):
        server.fail("apps.connections.open", error="invalid_auth")
        await server.sockets.disconnect()
        report = await kernel.wait_bot("s", BotState.FAILED)
        assert report.reason.reason == "AUTH_EXPIRED"


async def test_replies_go_where_they_were_asked() -> None:
    async with slack() as (kernel, server):
        root = server.workspace.say(GENERAL, "root")
        inside = server.workspace.say(GENERAL, "inside", thread_ts=root["ts"])
        for event in (root, inside):
            await server.sockets.until_acked(await server.sockets.send("events_api", callback(event)))
        first, second = (one.event for one in kernel.published)

        async def reply(event: Any, quote: bool) -> dict[str, Any]:
            reference = ReplyReference(event.message_id, event.reply_context)
            await kernel.call(
                "s",
                "ReplyMessage",
                chat=event.chat,
                message=Message("yes"),
                reference=reference,
                quote_origin=quote,
            )
            return server.called("chat.postMessage")[-1]

        assert "thread_ts" not in await reply(first, False)
        assert (await reply(first, True))["thread_ts"] == root["ts"]
        assert (await reply(second, False))["thread_ts"] == root["ts"]
        with pytest.raises(InvalidArgument):
            await kernel.call(
                "s",
                "ReplyMessage",
                chat=ANN_AND_BOT,
                message=Message("yes"),
                reference=ReplyReference("1.1", first.reply_context),
                quote_origin=False,
            )


async def test_long_text_is_split_and_a_failure_in_the_middle_is_told() -> None:
    async with slack() as (kernel, server):
        result = await kernel.call("s", "SendMessage", chat=CHANNEL, message=Message("word " * 2000))
        assert len(result.message_ids) == len(server.posts()) >= 3
        assert "".join(server.posts()).replace(" ", "") == "word" * 2000
        posts = server.workspace.chat_postMessage

        def second_fails(url: str, arguments: dict[str, Any]) -> dict[str, Any]:
            server.fail("chat.postMessage", status=429, Retry_After="9")
            return posts(url, arguments)

        server.workspace.chat_postMessage = second_fails  # type: ignore[method-assign]
        result = await kernel.call("s", "SendMessage", chat=CHANNEL, message=Message("word " * 2000))
        assert result.message_id
        assert result.unsent.reason == "RATE_LIMITED"


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ({"status": 429, "Retry_After": "7"}, RateLimited),
        ({"status": 500}, Unavailable),
        ({"error": "channel_not_found"}, NotFound),
        ({"error": "not_in_channel"}, PermissionDenied),
        ({"error": "msg_too_long"}, ContentTooLarge),
        ({"error": "token_revoked"}, AuthExpired),
        ({"error": "a_new_word"}, JackfieldError),
    ],
)
async def test_each_refusal_is_its_error_and_nothing_is_tried_again_here(
    fault: dict[str, Any], error: type[JackfieldError]
) -> None:
    async with slack() as (kernel, server):
        server.fail("chat.postMessage", **fault)
        with pytest.raises(error) as caught:
            await kernel.call("s", "SendMessage", chat=CHANNEL, message=Message("hi"))
        assert BOT_TOKEN not in str(caught.value)
        if isinstance(caught.value, RateLimited):
            assert caught.value.retry_after == 7
        assert not server.posts()


async def test_edits_deletions_reactions_and_pins() -> None:
    async with slack() as (kernel, server):
        sent = await kernel.call("s", "SendMessage", chat=CHANNEL, message=Message("one"))
        await kernel.call(
            "s", "EditMessage", chat=CHANNEL, message_id=sent.message_id, message=Message("two")
        )
        assert server.posts() == ["two"]
        with pytest.raises(ContentTooLarge):
            await kernel.call(
                "s", "EditMessage", chat=CHANNEL, message_id=sent.message_id, message=Message("x" * 4001)
            )
        for _ in range(2):
            await kernel.call("s", "AddReaction", chat=CHANNEL, message_id=sent.message_id, reaction="👍")
            await kernel.call("s", "PinMessage", chat=CHANNEL, message_id=sent.message_id)
        assert server.workspace.reactions == {(GENERAL, sent.message_id, "thumbsup")}
        for _ in range(2):
            await kernel.call(
                "s", "RemoveReaction", chat=CHANNEL, message_id=sent.message_id, reaction="thumbsup"
            )
            await kernel.call("s", "UnpinMessage", chat=CHANNEL, message_id=sent.message_id)
        read = await kernel.call("s", "GetMessage", chat=CHANNEL, message_id=sent.message_id)
        assert read.text == "two"
        thread = await kernel.call("s", "CreateThread", chat=CHANNEL, name="", message_id=sent.message_id)
        assert thread.thread_id == sent.message_id
        await kernel.call("s", "DeleteMessage", chat=CHANNEL, message_id=sent.message_id)
        assert server.posts() == []
        with pytest.raises(NotFound):
            await kernel.call("s", "GetMessage", chat=CHANNEL, message_id=sent.message_id)
        with pytest.raises(NotFound):
            await kernel.call("s", "AddReaction", chat=CHANNEL, message_id="1.1", reaction="x")


async def test_files_are_uploaded_in_three_steps_and_fetched_with_the_token() -> None:
    async with slack() as (kernel, server):
        kernel.state.blobs["sha256-1"] = b"png bytes"
        message = Message("see ", Image(Media(blob_id="sha256-1", name="p.png")))
        await kernel.call("s", "SendMessage", chat=CHANNEL, message=message)
        (file,) = server.workspace.files.values()
        assert (file["content"], file["channel"], file["title"]) == (b"png bytes", GENERAL, "p.png")
        fetch = kernel.open_call(
            "/jackfield.v1.Adapter/FetchMedia",
            _fetch(file["id"]),
            target=Target(bot="s", chat=CHANNEL),
            server_streaming=True,
        )
        first = await fetch.read()
        assert first is not None
        assert b"png bytes" in first
        too_small = kernel.open_call(
            "/jackfield.v1.Adapter/FetchMedia",
            _fetch(file["id"], 3),
            target=Target(bot="s", chat=CHANNEL),
            server_streaming=True,
        )
        with pytest.raises(ContentTooLarge):
            await too_small.read()


def _fetch(file_id: str, most: int = 1000) -> Any:
    return adapter_message_pb2.FetchMediaRequest(platform_id=file_id, max_bytes=most)


async def test_commands_buttons_and_forms_are_interactions_and_are_answered() -> None:
    async with slack() as (kernel, server):
        sent = await server.sockets.send("slash_commands", command(server.url, "/weather", "today"))
        await server.sockets.until_acked(sent)
        asked = kernel.published[-1].event
        assert (asked.payload.action_id, asked.payload.values) == ("weather", {"text": "today"})
        assert asked.chat == ANN_AND_BOT
        assert "respond" not in json.dumps(asked.raw)

        async def answer(event: Any, text: str, **flags: bool) -> Any:
            fields = {"ephemeral": False, "replace_origin": False, **flags}
            return await kernel.call(
                "s",
                "AnswerInteraction",
                chat=event.chat,
                interaction_id=event.payload.id,
                message=Message(text),
                reply_context=event.reply_context,
                **fields,
            )

        await answer(asked, "sunny", ephemeral=True)
        assert server.responses[-1]["text"] == "sunny"
        assert server.responses[-1]["response_type"] == "ephemeral"
        await answer(asked, "sunny for all")
        assert server.posts() == ["sunny for all"]

        controls = Actions("menu", (Button("yes", "Yes"),))
        shown = await kernel.call("s", "SendMessage", chat=ANN_AND_BOT, message=Message("sure?", controls))
        original = server.workspace.own_messages()[-1]
        block = next(one for one in original["blocks"] if one["type"] == "actions")
        action = {"type": "button", "action_id": "yes", "block_id": block["block_id"]}
        sent = await server.sockets.send("interactive", pressed(server.url, original, action))
        await server.sockets.until_acked(sent)
        event = kernel.published[-1].event
        assert (event.payload.controls_id, event.payload.message_id) == ("menu", shown.message_id)
        await answer(event, "done", replace_origin=True)
        assert server.posts()[-1] == "done"
        gone = pressed(server.url, original, action) | {"response_url": f"{server.url}/respond/expired"}
        await server.sockets.until_acked(await server.sockets.send("interactive", gone))
        with pytest.raises(WindowClosed):
            await answer(kernel.published[-1].event, "late", ephemeral=True)

        form = submitted({"name": {"type": "plain_text_input", "value": "Ann"}})
        await server.sockets.until_acked(await server.sockets.send("interactive", form))
        filled = kernel.published[-1].event.payload
        assert (filled.action_id, filled.values) == ("survey", {"name": "Ann"})


async def test_lookups_and_actions() -> None:
    async with slack() as (kernel, _):
        info = await kernel.call("s", "GetChatInfo", chat=CHANNEL)
        assert (info.group.name, info.group.member_count) == ("general", 3)
        assert (await kernel.call("s", "GetChatInfo", chat=ANN_AND_BOT)).user.nickname == "Ann"
        with pytest.raises(NotFound):
            await kernel.call("s", "GetUserInfo", user_id="U0")
        with pytest.raises(PermissionDenied, match="channels:manage"):
            await kernel.call("s", "SetGroupName", chat=CHANNEL, name="x")
        assert await kernel.call("s", "CallPlatformApi", action="get_mode", params={}) == {"mode": "socket"}
        await kernel.call("s", "LeaveGroup", chat=CHANNEL)
        with pytest.raises(PermissionDenied, match="not_in_channel"):
            await kernel.call("s", "SendMessage", chat=CHANNEL, message=Message("hi"))


async def test_requests_are_answered_when_durable_and_retries_are_known() -> None:
    async with slack(**by_requests()) as (kernel, server):
        said = callback(server.workspace.say(DIRECT, "hello"))
        assert await post(kernel, "events_api", said) == 200
        assert (
            await post(kernel, "events_api", said, x_slack_retry_num="1", x_slack_retry_reason="http_timeout")
            == 200
        )
        assert [one.event.text for one in kernel.published] == ["hello"]
        assert await post(kernel, "slash_commands", command(server.url)) == 200
        assert await post(kernel, "interactive", submitted({})) == 200
        assert len(kernel.published) == 3
        kernel.refuse_publish = lambda event: Overloaded("full")
        with pytest.raises(Overloaded):
            await post(kernel, "events_api", callback(server.workspace.say(DIRECT, "more")))
        with pytest.raises(InvalidArgument):
            await post(kernel, "interactive", {})


async def test_what_was_said_while_nobody_listened_is_read_back_once() -> None:
    async with FakeKernel() as kernel, SlackServer() as server:
        config = {"bot_token": BOT_TOKEN, "app_token": APP_TOKEN, "api_base_url": server.api}
        missed = server.workspace.say(DIRECT, "missed")
        server.workspace.say(GENERAL, "own", user=BOT)
        async with kernel.running(create_plugin(), name="slack"):
            earlier = f"{float(missed['ts']) - 120:.3f}".encode()
            await kernel.open_bot("s", config, plugin="slack", checkpoint=earlier)
            (published,) = await kernel.wait_published(1)
            assert (published.event.text, published.event.chat) == ("missed", ANN_AND_BOT)
            # Slack's own second try of the same message.
            await server.sockets.until_acked(await server.sockets.send("events_api", callback(missed)))
            assert len(kernel.published) == 1


async def test_what_cannot_be_read_back_is_told_as_a_gap() -> None:
    async with FakeKernel() as kernel, SlackServer() as server:
        config = {"bot_token": BOT_TOKEN, "app_token": APP_TOKEN, "api_base_url": server.api}
        server.workspace.say(DIRECT, "missed")
        server.fail("conversations.history", status=429, Retry_After="60")
        async with kernel.running(create_plugin(), name="slack"):
            await kernel.open_bot(
                "s", config, plugin="slack", checkpoint=f"{time.time() - 3600:.3f}".encode()
            )
            (published,) = await kernel.wait_published(1)
            assert published.event.type == "platform.slack.gap"
            assert DIRECT in published.event.payload.data["channels"]  # type: ignore[union-attr, index]
