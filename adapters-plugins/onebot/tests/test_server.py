"""Who may connect, and where connections lead."""

import asyncio
import json
import socket

import aiohttp
import pytest
from jackfield.v1 import frame_pb2
from jackfield_onebot.adapter import build
from jackfield_sdk import (
    BotState,
    Chat,
    DeadlineExceeded,
    InvalidArgument,
    Message,
    NotSupported,
    OutcomeUnknown,
    PlatformError,
    RateLimited,
    ReplyReference,
    Unavailable,
)
from jackfield_sdk.listening import CannotListen, listen
from jackfield_sdk.testing import FakeKernel
from simulated_onebot import Refusal, World, world

# More than `make test-fast` has time for.
pytestmark = pytest.mark.slow


async def status_of(onebot: World, headers: dict[str, str], query: str = "") -> int:
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await session.ws_connect(onebot.url + query, headers=headers)
    return refused.value.status


async def test_the_token_is_asked_for_in_every_form() -> None:
    async with world() as onebot:
        await onebot.kernel.open_bot("one", {"access_token": "s3cret"})
        me = {"X-Self-ID": "1"}
        assert await status_of(onebot, me) == 401
        assert await status_of(onebot, {**me, "Authorization": "Bearer wrong"}) == 401
        assert await status_of(onebot, me, "?access_token=wröng") == 401
        async with onebot.client(1, token="s3cret"):
            pass
        async with onebot.client(1, Authorization="Token s3cret"):
            pass
        async with onebot.client(1, path="/ws?access_token=s3cret"):
            await onebot.kernel.wait_bot("one", BotState.ACTIVE)


async def test_pages_strangers_and_nameless_clients_are_refused(onebot: World) -> None:
    assert await status_of(onebot, {}) == 400
    assert await status_of(onebot, {"X-Self-ID": "1", "Origin": "https://evil.example"}) == 403
    assert await status_of(onebot, {"X-Self-ID": "1", "X-Client-Role": "King"}) == 400
    async with aiohttp.ClientSession() as session:
        async with session.get(onebot.url.replace("ws:", "http:"), headers={"X-Self-ID": "1"}) as answer:
            assert answer.status == 426
    await onebot.kernel.close_bot("one")
    assert await status_of(onebot, {"X-Self-ID": "1"}) == 403


async def test_an_open_address_without_a_token_is_refused() -> None:
    async with world(host="0.0.0.0") as onebot:
        with pytest.raises(InvalidArgument, match="access_token") as refused:
            await onebot.kernel.open_bot("one")
        assert "access_token" in refused.value.remedy
        await onebot.kernel.open_bot("two", {"access_token": "x"})


async def test_both_loopback_addresses_and_all_paths_answer(onebot: World) -> None:
    for path in ("/onebot/v11/ws", "/ws", "/ws/", "/onebot/v11"):
        async with onebot.client(path=path):
            pass
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no ::1")
    async with aiohttp.ClientSession() as session:
        url = onebot.url.replace("127.0.0.1", "[::1]")
        async with session.ws_connect(url, headers={"X-Self-ID": "1"}):
            pass


async def test_a_bot_waits_is_active_and_waits_again(onebot: World) -> None:
    report = await onebot.kernel.wait_bot("one", BotState.CONNECTING)
    assert "waiting for a OneBot client at ws://127.0.0.1:" in report.reason.message
    async with onebot.client(12):
        assert (await onebot.kernel.wait_bot("one", BotState.ACTIVE)).self.id == "12"
    await onebot.kernel.wait_bot("one", BotState.CONNECTING)
    with pytest.raises(Unavailable):
        await onebot.kernel.call("one", "SendMessage", chat=Chat.private("7"), message=Message("x"))


async def test_a_taken_port_is_said_with_its_holder_and_taken_when_free() -> None:
    holder = socket.create_server(("127.0.0.1", 0))
    port = holder.getsockname()[1]
    slept: asyncio.Queue[float] = asyncio.Queue()
    go = asyncio.Event()

    async def sleep(seconds: float) -> None:
        slept.put_nowait(seconds)
        await go.wait()

    async with FakeKernel() as kernel:
        config = {"host": "127.0.0.1", "port": port}
        async with kernel.running(build(sleep), config=config, wait_ready=False) as running:
            assert await slept.get() == 5.0
            context = running.runtime.context
            assert context._reported.readiness == frame_pb2.READINESS_NOT_READY
            assert f"port {port} is taken on 127.0.0.1 by pid" in context._reported.reason.message
            holder.close()
            go.set()
            await asyncio.wait_for(running.session.ready.wait(), 5)
            onebot = World(kernel, running)
            await kernel.open_bot("one")
            async with onebot.client():
                await kernel.wait_bot("one", BotState.ACTIVE)


def test_an_address_that_is_not_of_this_machine_is_left_out_or_said() -> None:
    (bound,) = listen(["127.0.0.1", "203.0.113.1"], 0, plugin="onebot")
    bound.close()
    with pytest.raises(CannotListen, match=r"203\.0\.113\.1") as refused:
        listen(["203.0.113.1"], 0, plugin="onebot")
    assert refused.value.remedy


async def test_bots_are_chosen_by_account() -> None:
    async with world() as onebot:
        await onebot.kernel.open_bot("all")
        await onebot.kernel.open_bot("two", {"self_id": 123})
        with pytest.raises(InvalidArgument, match="already takes account 123"):
            await onebot.kernel.open_bot("three", {"self_id": "123"})
        async with onebot.client(123) as two, onebot.client(5) as five, onebot.client(6) as six:
            await two.private("to two")
            await five.private("to five")
            await onebot.kernel.wait_published(2)
            await six.group("to six")
            published = await onebot.kernel.wait_published(3)
            by_text = {p.event.text: p.event for p in published}
            assert by_text["to two"].bot == "two"
            assert by_text["to five"].bot == by_text["to six"].bot == "all"
            # Replies leave by the connection that brought the message.
            for text, client in (("to six", six), ("to five", five)):
                event = by_text[text]
                reference = ReplyReference(event.message_id, event.reply_context)
                await onebot.kernel.call(
                    "all",
                    "ReplyMessage",
                    chat=event.chat,
                    message=Message("re"),
                    reference=reference,
                    quote_origin=False,
                )
                assert (await client.next_action())["params"]["message"][0]["data"] == {"text": "re"}
            with pytest.raises(InvalidArgument, match="another chat"):
                await onebot.kernel.call(
                    "all",
                    "ReplyMessage",
                    chat=Chat.group("99"),
                    message=Message("re"),
                    reference=ReplyReference("1", by_text["to six"].reply_context),
                    quote_origin=False,
                )
            with pytest.raises(InvalidArgument, match="2 accounts"):
                await onebot.kernel.call("all", "GetFriendList")
            assert five.actions.empty()


async def test_a_bot_of_its_own_takes_a_connected_account_over() -> None:
    async with world() as onebot:
        await onebot.kernel.open_bot("all")
        async with onebot.client(123):
            await onebot.kernel.wait_bot("all", BotState.ACTIVE)
            await onebot.kernel.open_bot("two", {"self_id": "123"})
            await onebot.kernel.wait_bot("all", BotState.CONNECTING)
        async with onebot.client(123):
            await onebot.kernel.wait_bot("two", BotState.ACTIVE)


async def test_two_connections_make_one_account(onebot: World) -> None:
    async with onebot.client(role="Event", path="/ws/event") as events:
        async with onebot.client(role="API", path="/ws/api") as actions:
            await events.group("hi")
            (published,) = await onebot.kernel.wait_published()
            await onebot.kernel.call("one", "SendMessage", chat=published.event.chat, message=Message("x"))
            assert (await actions.next_action())["params"]["group_id"] == 5


async def test_the_newest_connection_of_an_account_wins(onebot: World) -> None:
    async with onebot.client():
        await onebot.kernel.wait_bot("one", BotState.ACTIVE)
        async with onebot.client() as newer:
            await newer.private("x")
            await onebot.kernel.wait_published()
            await onebot.kernel.call("one", "SendMessage", chat=Chat.private("7"), message=Message("y"))
            assert (await newer.next_action())["params"]["user_id"] == 7


async def test_bad_frames_disturb_nothing(onebot: World, caplog: pytest.LogCaptureFixture) -> None:
    async with onebot.client() as client:
        await client.socket.send_str("{not json \x1b[31m")
        await client.socket.send_str("[" * 100_000)
        await client.socket.send_bytes(b"\xff\xfe")
        await client.socket.send_str("[1, 2]")
        await client.socket.send_json({"status": "ok", "echo": {"seq": [1]}})
        await client.event(post_type=7)
        await client.socket.send_str('{"post_type":"odd\\ud83d","a":' + "[" * 100 + "]" * 100 + "}")
        await client.event(post_type="message", message={"type": 3}, sender="x", user_id=[1], group_id={})
        await client.private("still \x1b[31m here")
        published = await onebot.kernel.wait_published(4)
        assert published[-1].event.text == "still \x1b[31m here"
    assert "\x1b" not in caplog.text


async def test_a_frame_above_the_limit_ends_its_connection(onebot: World) -> None:
    async with onebot.client() as client:
        await onebot.kernel.wait_bot("one", BotState.ACTIVE)
        await client.socket.send_str(json.dumps({"post_type": "x", "data": "a" * (1 << 20)}))
        await onebot.kernel.wait_bot("one", BotState.CONNECTING)


async def test_refusals_are_typed(onebot: World) -> None:
    codes = {100: InvalidArgument, 1404: NotSupported, 429: RateLimited, 103: PlatformError}
    async with onebot.client() as client:
        await onebot.kernel.wait_bot("one", BotState.ACTIVE)
        for code, kind in codes.items():

            def refuse(params: object, code: int = code) -> object:
                raise Refusal(code, "bad \x1b words")

            client.answers["send_group_msg"] = refuse
            with pytest.raises(kind) as refused:
                await onebot.kernel.call("one", "SendMessage", chat=Chat.group("5"), message=Message("x"))
            assert refused.value.metadata["platform_code"] == str(code)
            assert "\x1b" not in str(refused.value)


async def test_an_answer_that_never_comes_has_an_end(onebot: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jackfield_onebot.calls.ACTION_SECONDS", 0.05)
    async with onebot.client() as client:
        await onebot.kernel.wait_bot("one", BotState.ACTIVE)
        client.silent |= {"send_private_msg", "get_friend_list"}
        with pytest.raises(DeadlineExceeded):
            await onebot.kernel.call("one", "SendMessage", chat=Chat.private("7"), message=Message("x"))
        monkeypatch.undo()
        await client.next_action()
        sending = asyncio.ensure_future(
            onebot.kernel.call("one", "SendMessage", chat=Chat.private("7"), message=Message("x"))
        )
        asking = asyncio.ensure_future(onebot.kernel.call("one", "GetFriendList"))
        await client.next_action()
        await client.next_action()
        await client.socket.close()
        with pytest.raises(OutcomeUnknown):
            await sending
        with pytest.raises(Unavailable):
            await asking
