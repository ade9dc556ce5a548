"""A handler from the delivery to its end."""

import asyncio
from typing import Any

import pytest
from jackfield.v1 import command_pb2
from jackfield_sdk import (
    AmbiguousCall,
    Chat,
    CommandContext,
    Conflict,
    Context,
    Event,
    Image,
    Media,
    Message,
    NotFound,
    Plugin,
    PluginContext,
    RateLimited,
    Retry,
    convert,
)
from jackfield_sdk.plugin import Handler
from jackfield_sdk.testing import Delivered, FakeKernel, Outcome, interaction, message
from jackfield_sdk.testing.events import event as make_event


def echo_plugin() -> Plugin:
    plugin = Plugin("echo")

    @plugin.on("message.received")
    async def echo(ctx: Context, event: Event) -> None:
        await ctx.reply(event.text)

    return plugin


async def test_an_echo_handler_answers_with_the_received_text() -> None:
    async with FakeKernel() as kernel, kernel.running(echo_plugin()):
        delivered = await kernel.deliver(message("hi"))
        assert (await delivered.outcome).done
        assert delivered.replies[0].text == "hi"


def plugin_with(handler: Handler) -> Plugin:
    plugin = Plugin("one")
    plugin.on("*")(handler)
    return plugin


async def outcome_of(handler: Handler, **delivery: Any) -> tuple[FakeKernel, Delivered, Outcome]:
    async with FakeKernel() as kernel, kernel.running(plugin_with(handler)):
        delivered = await kernel.deliver(message("hi"), **delivery)
        return kernel, delivered, await delivered.outcome


async def test_retry_asks_for_the_event_again() -> None:
    async def later(ctx: Context, event: Event) -> None:
        raise Retry(after=2.5)

    _, _, outcome = await outcome_of(later)
    assert outcome.error is not None
    assert outcome.error.retryable
    assert outcome.retry_after == 2.5


async def test_a_retryable_error_comes_back_and_keeps_its_delay() -> None:
    async def limited(ctx: Context, event: Event) -> None:
        raise RateLimited(3)

    _, _, outcome = await outcome_of(limited)
    assert isinstance(outcome.error, RateLimited)
    assert outcome.retry_after == 3


async def test_any_other_exception_is_a_dead_letter_with_its_traceback() -> None:
    async def broken(ctx: Context, event: Event) -> None:
        raise KeyError("nothing here")

    _, _, outcome = await outcome_of(broken)
    assert outcome.error is not None
    assert outcome.error.reason == "HANDLER_FAILED"
    assert not outcome.error.retryable
    assert "nothing here" in outcome.error.metadata["traceback"]
    assert len(outcome.error.metadata["traceback"]) <= 8192


async def test_the_most_specific_handler_gets_the_event() -> None:
    plugin = Plugin("many")
    seen: list[str] = []
    for pattern in ("*", "message.*", "message.received", "platform.x.*"):

        def register(pattern: str) -> None:
            @plugin.on(pattern)
            async def handle(ctx: Context, event: Event) -> None:
                seen.append(pattern)

        register(pattern)
    async with FakeKernel() as kernel, kernel.running(plugin):
        for event_type in ("message.received", "message.edited", "platform.x.y", "friend.added"):
            await (await kernel.deliver(make_event(event_type))).outcome
    assert seen == ["message.received", "message.*", "platform.x.*", "*"]
    with pytest.raises(ValueError, match="already"):
        plugin.on("*")(echo_plugin().handler_for("message.received"))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="not an event pattern"):
        plugin.on("message")


async def test_stop_emits_and_writes_are_committed_with_the_end() -> None:
    async def work(ctx: Context, event: Event) -> None:
        assert ctx.rule_config == {"depth": 3}
        await ctx.kv.put("seen", event.text)
        assert await ctx.kv.get_text("seen") == "hi"
        ctx.emit("worked", {"a": 1})
        ctx.stop()

    kernel, _, outcome = await outcome_of(work, rule_config={"depth": 3})
    assert outcome.done
    assert outcome.stop
    assert outcome.emits == (("one.worked", {"a": 1}),)
    assert kernel.state.kv["seen"].value == b"hi"


async def test_writes_of_a_failed_delivery_are_not_committed_unless_written_now() -> None:
    async def work(ctx: Context, event: Event) -> None:
        await ctx.kv.put("later", "x")
        await ctx.kv.put("now", "y", now=True)
        raise Retry

    kernel, _, _ = await outcome_of(work)
    assert set(kernel.state.kv) == {"now"}


async def test_a_failed_compare_and_set_brings_the_event_back() -> None:
    async def work(ctx: Context, event: Event) -> None:
        await ctx.kv.cas("counter", "1", version=99)

    _, _, outcome = await outcome_of(work)
    assert isinstance(outcome.error, Conflict)
    assert outcome.error.retryable


async def test_keys_are_read_listed_and_removed() -> None:
    async def work(ctx: Context, event: Event) -> None:
        first = await ctx.kv.cas("a/1", "x", 0, now=True)
        assert first
        await ctx.kv.put("a/2", b"y", now=True, ttl=60)
        assert [entry.key for entry in await ctx.kv.list("a/")] == ["a/1", "a/2"]
        with pytest.raises(Conflict):
            await ctx.kv.cas("a/1", "z", 0, now=True)
        await ctx.kv.delete("a/1")
        assert await ctx.kv.get("a/1") is None
        assert await ctx.kv.get("nowhere") is None
        assert await ctx.secret("token") == "s3"

    async with FakeKernel() as kernel, kernel.running(plugin_with(work)):
        kernel.state.secrets["token"] = "s3"
        assert (await (await kernel.deliver(message("hi"))).outcome).done
        assert set(kernel.state.kv) == {"a/2"}


async def test_a_redelivery_gets_recorded_results_and_sends_nothing_twice() -> None:
    ids: list[str] = []

    async def work(ctx: Context, event: Event) -> None:
        ids.append((await ctx.reply("one")).message_id)
        ids.append((await ctx.reply("two")).message_id)
        if ctx.attempt == 1:
            raise Retry

    async with FakeKernel() as kernel, kernel.running(plugin_with(work)):
        first = await kernel.deliver(message("hi"))
        assert (await first.outcome).error is not None
        second = await kernel.redeliver(first)
        assert (await second.outcome).done
        assert [sent.text for sent in kernel.sent] == ["one", "two"]
    assert ids[:2] == ids[2:]


async def test_two_unnamed_calls_at_once_are_refused_and_named_ones_are_not() -> None:
    async def work(ctx: Context, event: Event) -> None:
        with pytest.raises(AmbiguousCall):
            await asyncio.gather(ctx.reply("a"), ctx.reply("b"))
        await asyncio.gather(ctx.reply("c", key="c"), ctx.reply("d", key="d"))

    _, delivered, outcome = await outcome_of(work)
    assert outcome.done
    assert {"c", "d"} <= {sent.text for sent in delivered.replies}


async def test_a_streamed_reply_settles_with_its_last_text() -> None:
    async def work(ctx: Context, event: Event) -> None:
        async with ctx.stream(quote=True) as stream:
            for number in range(100):
                await stream.append(f"{number} ")
            stream.attach(Message(Image(Media(url="https://x/y.png"))))
        assert stream.result is not None
        assert stream.result.message_id

    _, delivered, outcome = await outcome_of(work)
    assert outcome.done
    assert delivered.replies[0].text.endswith("98 99 ")
    assert delivered.replies[0].message.all(Image)


async def test_asking_waits_for_the_senders_next_event() -> None:
    async def work(ctx: Context, event: Event) -> None:
        answer = await ctx.ask("your name?", timeout=5)
        await ctx.reply(f"hello {answer.text}")

    async with FakeKernel() as kernel, kernel.running(plugin_with(work)):
        delivered = await kernel.deliver(message("hi"))
        await delivered.asked.wait()
        answer = message("Bob")
        kernel.input(delivered, answer)
        assert (await delivered.outcome).done
        assert [sent.text for sent in delivered.replies] == ["your name?", "hello Bob"]
        assert delivered.read_inputs == [answer.id]


async def test_other_events_are_answered_in_their_own_way() -> None:
    async def work(ctx: Context, event: Event) -> None:
        await ctx.reply("ok")

    async with FakeKernel() as kernel, kernel.running(plugin_with(work)):
        for event in (interaction("yes"), make_event("friend.added")):
            await (await kernel.deliver(event)).outcome
        assert [sent.method for sent in kernel.sent] == ["AnswerInteraction", "SendMessage"]


async def test_sending_elsewhere_editing_and_platform_actions() -> None:
    async def work(ctx: Context, event: Event) -> None:
        sent = await ctx.send("other:group:5", "to the group")
        await ctx.send(Chat.private("9"), Message.markdown("*x*"))
        await ctx.edit(sent.message_id, "changed")
        assert await ctx.platform("get_thing", {"a": 1}) == {}
        with pytest.raises(ValueError, match="empty"):
            await ctx.reply(Message())

    kernel, _, outcome = await outcome_of(work)
    assert outcome.done, outcome.error
    assert [(sent.bot, str(sent.chat)) for sent in kernel.sent[:2]] == [
        ("other", "group:5"),
        ("bot", "private:9"),
    ]


async def test_time_and_chance_are_the_same_for_every_attempt() -> None:
    seen: list[tuple[Any, float]] = []

    async def work(ctx: Context, event: Event) -> None:
        seen.append((ctx.now(), ctx.random().random()))

    async with FakeKernel() as kernel, kernel.running(plugin_with(work)):
        delivered = await kernel.deliver(message("hi"))
        await delivered.outcome
        await (await kernel.redeliver(delivered)).outcome
    assert seen[0] == seen[1]


async def test_a_cancelled_delivery_stops_its_handler() -> None:
    started, stopped = asyncio.Event(), asyncio.Event()

    async def work(ctx: Context, event: Event) -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            assert ctx.cancelled.is_set()
            stopped.set()

    async with FakeKernel() as kernel, kernel.running(plugin_with(work)):
        delivered = await kernel.deliver(message("hi"))
        await started.wait()
        kernel.cancel(delivered, confirm=True)
        assert (await delivered.outcome).released
        await stopped.wait()


async def test_observers_see_and_cannot_break_anything() -> None:
    plugin = Plugin("watcher")
    seen: list[str] = []

    @plugin.observe("message.*")
    async def watch(ctx: PluginContext, event: Event) -> None:
        seen.append(event.text)
        raise RuntimeError("nobody minds")

    async with FakeKernel() as kernel, kernel.running(plugin):
        await kernel.observe(message("a"))
        await kernel.observe(make_event("friend.added"))
        await kernel.observe(message("b"))
    assert seen == ["a", "b"]


async def test_commands_answer_by_name() -> None:
    plugin = Plugin("commands")

    @plugin.command("greet")
    async def greet(ctx: CommandContext, args: str) -> str:
        return f"hello {args} from {ctx.event.bot}"

    async with FakeKernel() as kernel, kernel.running(plugin):
        request = command_pb2.InvokeRequest(
            name="greet", args="Ann", event=convert.event_to_proto(message("/greet Ann"))
        )
        method = "/jackfield.v1.Commands/Invoke"
        response = await kernel.call_service(method, request, command_pb2.InvokeResponse)
        assert convert.message_to_plain(response.reply).text == "hello Ann from bot"
        request.name = "nope"
        with pytest.raises(NotFound, match="greet"):
            await kernel.call_service(method, request, command_pb2.InvokeResponse)


async def test_setup_configuration_addresses_and_teardown() -> None:
    plugin = Plugin("life")
    story: list[Any] = []

    @plugin.setup
    async def begin(ctx: PluginContext) -> None:
        story.append((ctx.config, sorted(ctx.grants), ctx.data_dir.is_dir()))
        ctx.ready(addresses=[("Web chat", "http://127.0.0.1:1")])

    @plugin.teardown
    async def end(ctx: PluginContext) -> None:
        story.append("end")

    async with FakeKernel() as kernel:
        async with kernel.running(plugin, config={"a": 1}, grants=["reply", "kv"]) as running:
            assert running.addresses == [("Web chat", "http://127.0.0.1:1")]
    assert story == [({"a": 1}, ["kv", "reply"], True), "end"]


async def test_a_setup_that_fails_says_why_and_ends_the_process() -> None:
    plugin = Plugin("broken")

    @plugin.setup
    async def begin(ctx: PluginContext) -> None:
        raise RuntimeError("no database")

    async with FakeKernel() as kernel, kernel.running(plugin, wait_ready=False) as running:
        assert await running.finished() == 1
        assert "no database" in running.session.report.reason.message
