"""Adapters: bots, publishes, calls, streamed replies."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from dataclasses import replace

import pytest
from jackfield.v1 import adapter_message_pb2 as pb
from jackfield_sdk import (
    Adapter,
    AuthExpired,
    Bot,
    BotState,
    Cached,
    Call,
    Chat,
    CloseReason,
    Context,
    Event,
    Group,
    Image,
    InvalidArgument,
    Media,
    MediaChunk,
    Message,
    MessageReceived,
    NotFound,
    NotSupported,
    Overloaded,
    Page,
    PlatformEvent,
    Plugin,
    RateLimited,
    SendResult,
    Target,
    Unavailable,
    UnknownBot,
    User,
    adapter_host,
    convert,
)
from jackfield_sdk.testing import FakeKernel

CHAT = Chat.group("5")
METHOD = "/jackfield.v1.Adapter/"


class Paper(Adapter):
    """A platform on paper."""

    platform = "paper"
    stream_interval = 0.0

    def __init__(self) -> None:
        self.bots: dict[str, Bot] = {}
        self.sent: list[tuple[str, Chat, Message]] = []
        self.edits: list[tuple[str, Message]] = []
        self.keys: list[str] = []
        self.closed: list[CloseReason] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def open_bot(self, bot: Bot) -> User:
        if bot.config.get("token") == "bad":
            raise AuthExpired("refused")
        self.bots[bot.name] = bot
        return User(id="self", nickname=bot.name)

    async def close_bot(self, bot: Bot, reason: CloseReason) -> bytes:
        self.closed.append(reason)
        return b"last"

    async def send_message(self, call: Call, message: Message) -> SendResult:
        self.keys.append(call.key)
        await self.gate.wait()
        if message.text == "flood":
            raise RateLimited(1.5)
        self.sent.append((call.bot.name, call.chat, message))
        return SendResult(message_id=str(len(self.sent)))

    async def get_group_info(self, call: Call) -> Cached[Group]:
        return Cached(Group(id=call.chat.id, name="five"))

    async def get_group_list(self, call: Call, page_size: int, page_token: str) -> Page[Group]:
        return Page((Group(id="5"), Group(id="6")), next_page_token="more")

    async def is_muted(self, call: Call) -> bool:
        return True

    async def fetch_media(
        self, call: Call, platform_id: str, message_id: str, max_bytes: int
    ) -> AsyncIterator[MediaChunk]:
        for number in range(100):
            yield MediaChunk(data=bytes([number]), mime="image/png" if number == 0 else "")


class Editing(Paper):
    """The same with editable messages."""

    async def edit_message(self, call: Call, message_id: str, message: Message) -> Iterable[str] | None:
        self.edits.append((message_id, message))
        return None


def plugin_of(adapter: Adapter) -> Plugin:
    plugin = Plugin("paper")
    plugin.adapter(adapter)
    return plugin


def received(text: str) -> Event:
    payload = MessageReceived(message_id=text, message=Message(text))
    return Event(payload=payload, chat=CHAT, sender=User(id="7"))


async def test_a_bot_opens_reports_and_closes_with_its_checkpoint() -> None:
    adapter = Paper()
    async with FakeKernel() as kernel:
        async with kernel.running(plugin_of(adapter)):
            opened = await kernel.open_bot("b", {"token": "x"}, checkpoint=b"old")
            assert opened.self == User(id="self", nickname="b")
            assert (await kernel.wait_bot("b", BotState.ACTIVE)).self.id == "self"
            assert adapter.bots["b"].checkpoint == b"old"
            assert await kernel.open_bot("b", {"token": "x"}, checkpoint=b"newer") == opened
            assert adapter.closed == []
            assert await kernel.close_bot("b") == b"last"
            with pytest.raises(AuthExpired):
                await kernel.open_bot("c", {"token": "bad"})
            await kernel.open_bot("d")
        assert adapter.closed == [CloseReason.SHUTDOWN, CloseReason.SHUTDOWN]


async def test_a_bot_is_closed_when_the_kernel_was_not_reached_for_half_its_lease(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(adapter_host, "LEASE_LOOK_SECONDS", 0.01)
    closed = asyncio.Event()

    class Leased(Paper):
        async def close_bot(self, bot: Bot, reason: CloseReason) -> bytes:
            closed.set()
            return await super().close_bot(bot, reason)

    adapter = Leased()
    async with FakeKernel() as kernel, kernel.running(plugin_of(adapter)) as running:
        await kernel.open_bot("leased")
        await kernel.open_bot("free")
        adapter.bots["leased"].lease_seconds = 0.1
        await kernel.stop()
        await asyncio.wait_for(closed.wait(), 10)
        assert adapter.closed == [CloseReason.LEASE_LOST]
        await kernel.restart()
        await running.attached_again(2)
        assert running.runtime.link.open_bots == {"free"}


async def test_published_events_are_complete_durable_and_stored_once() -> None:
    adapter = Paper()
    async with FakeKernel() as kernel, kernel.running(plugin_of(adapter)):
        await kernel.open_bot("b")
        bot = adapter.bots["b"]
        event_id = await bot.publish(received("one"), dedup_key="k1", checkpoint=b"c1")
        await bot.publish(received("one"), dedup_key="k1")
        await bot.publish(Event(payload=PlatformEvent("poke", {"a": 1})))
        first, second = kernel.published
        assert first.event.id == event_id
        assert first.event.type == "message.received"
        assert first.event.time is not None
        assert first.event.time_is_receipt
        assert (first.event.bot, first.checkpoint) == ("b", b"c1")
        assert second.event.type == "platform.paper.poke"
        with pytest.raises(InvalidArgument, match="type"):
            await bot.publish(Event())


async def test_a_large_native_update_becomes_a_blob() -> None:
    adapter = Paper()
    async with FakeKernel() as kernel, kernel.running(plugin_of(adapter)) as running:
        await kernel.open_bot("b")
        large = b'"' + b"x" * 100_000 + b'"'
        await adapter.bots["b"].publish(replace(received("one"), raw_json=large))
        (published,) = kernel.published
        context = running.runtime.context
        assert await context.get_blob(published.event.raw_blob_id) == large
        with pytest.raises(NotFound):
            await context.get_blob("sha256-none")

        async def pieces() -> AsyncIterator[bytes]:
            yield b"a" * 70_000
            yield b"b"

        media = await context.put_blob(pieces(), mime="text/plain", name="x.txt")
        assert (media.size, media.name, media.mime) == (70_001, "x.txt", "text/plain")


async def test_a_refused_publish_raises_and_the_stream_goes_on() -> None:
    adapter = Paper()
    async with FakeKernel() as kernel, kernel.running(plugin_of(adapter)):
        await kernel.open_bot("b")
        kernel.refuse_publish = lambda event: Overloaded("full") if event.text == "bad" else None
        bot = adapter.bots["b"]
        with pytest.raises(Overloaded):
            await bot.publish(received("bad"))
        await bot.publish(received("good"))
        assert [published.event.text for published in kernel.published] == ["good"]


async def test_unacknowledged_publishes_are_bounded_and_sent_again_once() -> None:
    adapter = Paper()
    async with FakeKernel() as kernel:
        kernel.publish_window = 4
        async with kernel.running(plugin_of(adapter)) as running:
            await kernel.open_bot("b")
            bot = adapter.bots["b"]
            kernel.holds_acks = True
            futures = [await bot.publish_nowait(received(str(number))) for number in range(4)]
            fifth = asyncio.ensure_future(bot.publish(received("4")))
            await kernel.wait_published(4)
            assert not fifth.done()
            assert not any(future.done() for future in futures)
            kernel.holds_acks = False
            kernel.drop()
            await running.attached_again(2)
            await asyncio.gather(*futures, fifth)
            assert [published.event.text for published in kernel.published] == ["0", "1", "2", "3", "4"]
            assert [published.sequence for published in kernel.published] == [1, 2, 3, 4, 5]


async def test_publishes_made_while_the_kernel_is_away_arrive_in_order() -> None:
    adapter = Paper()
    async with FakeKernel() as kernel, kernel.running(plugin_of(adapter)) as running:
        await kernel.open_bot("b")
        bot = adapter.bots["b"]
        await bot.publish(received("before"))
        await kernel.stop()
        await running.session.detached.wait()
        away = [asyncio.ensure_future(bot.publish(received(str(number)))) for number in range(20)]
        await kernel.restart()
        await asyncio.gather(*away)
        texts = [published.event.text for published in kernel.published]
        assert texts == ["before", *map(str, range(20))]
        assert running.session.attach is not None
        assert list(running.session.attach.open_bots) == ["b"]


async def test_calls_take_and_give_plain_values() -> None:
    adapter = Paper()
    async with FakeKernel() as kernel, kernel.running(plugin_of(adapter)):
        await kernel.open_bot("b")
        result = await kernel.call("b", "SendMessage", chat=CHAT, message=Message("hi"), key="k")
        assert result.message_id == "1"
        assert adapter.sent == [("b", CHAT, Message("hi"))]
        assert adapter.keys == ["k"]
        assert (await kernel.call("b", "GetGroupInfo", chat=CHAT)).name == "five"
        assert [group.id for group in await kernel.call("b", "GetGroupList")] == ["5", "6"]
        assert await kernel.call("b", "IsMuted", chat=CHAT) is True
        with pytest.raises(InvalidArgument, match="chat"):
            await kernel.call("b", "SendMessage", message=Message("hi"))
        with pytest.raises(InvalidArgument, match="message is missing"):
            await kernel.call("b", "SendMessage", chat=CHAT)
        with pytest.raises(RateLimited) as limited:
            await kernel.call("b", "SendMessage", chat=CHAT, message=Message("flood"))
        assert limited.value.retry_after == 1.5
        with pytest.raises(NotSupported) as missing:
            await kernel.call("b", "KickMember", chat=CHAT, user_id="7")
        assert missing.value.metadata == {"api": "kick_member"}
        with pytest.raises(UnknownBot):
            await kernel.call_service(
                METHOD + "IsMuted", pb.SendTypingRequest(), pb.SendTypingResponse, target=Target(bot="zz")
            )
        capabilities = await kernel.call("b", "GetCapabilities")
        assert "get_group_info" in capabilities.apis
        assert "edit_message" not in capabilities.apis
        assert not capabilities.streams


async def test_a_repeated_key_is_answered_from_the_first_run() -> None:
    adapter = Paper()
    async with FakeKernel() as kernel, kernel.running(plugin_of(adapter)):
        await kernel.open_bot("b")
        adapter.gate.clear()
        request = pb.SendMessageRequest(message=convert.message_to_proto(Message("hi")))
        target = Target(bot="b", chat=CHAT)
        calls = [
            kernel.open_call(METHOD + "SendMessage", request, target=target, key="same") for _ in range(2)
        ]
        adapter.gate.set()
        for call in calls:
            assert pb.SendMessageResponse.FromString(await call.result()).result.message_id == "1"
        assert len(adapter.sent) == 1


async def test_media_comes_in_chunks_under_credit() -> None:
    async with FakeKernel() as kernel, kernel.running(plugin_of(Paper())):
        await kernel.open_bot("b")
        request = pb.FetchMediaRequest(platform_id="x")
        call = kernel.open_call(METHOD + "FetchMedia", request, target=Target(bot="b"), server_streaming=True)
        data = b""
        while (body := await call.read()) is not None:
            data += pb.FetchMediaResponse.FromString(body).data
        assert data == bytes(range(100))


def speaker() -> Plugin:
    plugin = Plugin("speaker")

    @plugin.on("*")
    async def speak(ctx: Context, event: Event) -> None:
        async with ctx.stream(quote=True) as stream:
            for word in ("one", " two", " three"):
                await stream.append(word)
            stream.attach(Message(Image(Media(url="https://x/y"))))
        await ctx.reply(f"sent as {stream.result and stream.result.message_id}")

    return plugin


@pytest.mark.parametrize("kind", [Paper, Editing])
async def test_a_streamed_reply_works_on_every_adapter(kind: type[Paper]) -> None:
    adapter = kind()
    async with (
        FakeKernel() as kernel,
        kernel.running(plugin_of(adapter)),
        kernel.running(speaker(), name="speaker"),
    ):
        await kernel.open_bot("b", plugin="paper")
        await adapter.bots["b"].publish(received("go"))
        delivered = await kernel.deliver(kernel.published[0].event, plugin="speaker")
        outcome = await delivered.outcome
        assert outcome.done, outcome.error
        final = adapter.edits[-1][1] if adapter.edits else adapter.sent[0][2]
        assert final.text == "one two three"
        assert final.all(Image)
        assert adapter.sent[0][1] == CHAT
        assert adapter.sent[-1][2].text == "sent as 1"
        assert len(adapter.sent) == 2


class Cut(Editing):
    """Loses the kernel in the moment in which the platform takes the first message."""

    async def send_message(self, call: Call, message: Message) -> SendResult:
        result = await super().send_message(call, message)
        if len(self.sent) == 1:
            self.lose()
            while call.bot._runtime.link.connected:
                await asyncio.sleep(0)
        return result

    def lose(self) -> None:
        raise AssertionError("set by the test")


async def test_a_connection_that_breaks_while_the_first_text_is_sent_shows_it_once() -> None:
    adapter = Cut()
    async with FakeKernel() as kernel, kernel.running(plugin_of(adapter), grants=["kv"]) as running:
        await kernel.open_bot("b", plugin="paper")
        adapter.lose = lambda: kernel.drop("paper")  # type: ignore[method-assign]
        for text in ("Hel", "Hello"):
            step = pb.StreamReplyRequest(sequence=1, text=text, is_final=text == "Hello")
            step.opening.SetInParent()
            call = kernel.open_call(METHOD + "StreamReply", step, target=Target(bot="b", chat=CHAT), key="k")
            if text == "Hel":
                with pytest.raises(Unavailable):
                    await call.result()
                await running.attached_again(2)
            else:
                answer = pb.StreamReplyResponse.FromString(await call.result())
        assert answer.result.message_id == "1"
        assert len(adapter.sent) == 1
        assert [(message_id, message.text) for message_id, message in adapter.edits] == [("1", "Hello")]
