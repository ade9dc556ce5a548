"""Jobs against the fake kernel, with a clock that the test turns."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from jackfield.v1 import adapter_message_pb2, command_pb2, tool_pb2
from jackfield_scheduler.scene import Scene
from jackfield_scheduler.scheduler import build
from jackfield_sdk import (
    Chat,
    CustomEvent,
    InvalidArgument,
    NotFound,
    PlatformError,
    Target,
    Unavailable,
    convert,
    wellknown,
)
from jackfield_sdk.testing import FakeKernel, events

GRANTS = ("send", "kv", "catalog")
SEND = "/jackfield.v1.Adapter/SendMessage"


@dataclass
class House:
    """A running scheduler, and its clock."""

    kernel: FakeKernel
    scene: Scene = field(default_factory=Scene)
    time: datetime = datetime(2026, 11, 2, 8, 0, tzinfo=UTC)

    def now(self) -> datetime:
        return self.time

    async def later(self, **passed: float) -> None:
        """Time passes at once."""
        self.time += timedelta(**passed)
        await self.scene.clockwork.tick()
        await self.scene.clockwork.settled()

    async def command(self, name: str, args: str = "", key: str = "", chat: Chat | None = None) -> str:
        said = replace(events.message(f"/{name} {args}", chat=chat), bot="web", time=self.time)
        said = replace(said, id=key) if key else said
        request = command_pb2.InvokeRequest(name=name, args=args, event=convert.event_to_proto(said))
        answer = await self.kernel.call_service(
            "/jackfield.v1.Commands/Invoke", request, command_pb2.InvokeResponse
        )
        return str(convert.message_to_plain(answer.reply).text)

    async def tool(self, name: str, chat: Chat, key: str = "", **arguments: Any) -> tool_pb2.ToolResult:
        request = tool_pb2.CallToolRequest(name=name, arguments=wellknown.struct_to_proto(arguments))
        call = self.kernel.open_call(
            "/jackfield.v1.Tools/CallTool",
            request,
            target=Target(bot="web", chat=chat, plugin="scheduler"),
            key=key,
            server_streaming=True,
        )
        result = tool_pb2.ToolResult()
        while (body := await call.read()) is not None:
            result = tool_pb2.CallToolResponse.FromString(body).result
        return result

    @property
    def texts(self) -> list[str]:
        return [sent.text for sent in self.kernel.sent]

    async def history(self) -> str:
        (job,) = await self.scene.desk.store.all()
        return await self.command("job", f"history {job.id}")


@pytest.fixture
async def house() -> AsyncIterator[House]:
    async with FakeKernel() as kernel:
        kernel.state.catalog.bots.add(name="web", platform="webchat", adapter="webchat")
        for name in ("a", "b"):
            kernel.state.catalog.bots.add(name=name, platform="twice", adapter="twice")
        house = House(kernel)
        plugin = build(house.now, house.scene, ticks=False)
        config = {
            "time_zone": "UTC",
            "failure_target": "web:group:ops",
            "homes": [{"bot": "a", "chat": "group:9"}],
        }
        async with kernel.running(plugin, config=config, grants=GRANTS):
            yield house


async def test_a_reminder_comes_once(house: House) -> None:
    for _ in range(2):
        assert "remind you at 2026-11-02 08:30:00 UTC" in await house.command("remind", "30m tea", key="e1")
    await house.later(minutes=29)
    assert house.texts == []
    await house.later(minutes=1)
    await house.later(minutes=60)
    assert house.texts == ["tea"]
    assert "[done]" in await house.command("jobs")
    assert "run ok, delivery delivered" in await house.history()


async def test_a_missed_job_is_late_once_without_a_backlog(house: House) -> None:
    await house.command("job", "add every 1h tick")
    await house.later(hours=10.5)
    await house.later(minutes=1)
    assert house.texts == ["tick"]
    assert "late" in await house.history()
    await house.later(minutes=29)
    assert house.texts == ["tick"] * 2


async def test_a_missed_job_that_says_skip(house: House) -> None:
    await house.command("job", "add --skip every 1h tick")
    await house.later(hours=1.5)
    assert house.texts == []
    assert "run skipped" in await house.history()
    await house.later(minutes=30)
    assert house.texts == ["tick"]


async def test_a_delivery_that_fails_is_a_failed_job(house: House) -> None:
    def refuse(request: Any) -> Any:
        raise PlatformError("the chat is gone")

    house.kernel.answer(SEND, adapter_message_pb2.SendMessageRequest, refuse)
    await house.command("remind", "1m tea")
    await house.later(minutes=1)
    assert "run ok, delivery failed: PLATFORM_ERROR: the chat is gone" in await house.history()
    assert "last: failed" in await house.command("jobs")


async def test_what_may_pass_is_tried_again_and_in_the_end_told(house: House) -> None:
    tries: list[str] = []

    def away(request: Any) -> Any:
        text = request.message.segments[0].text.text
        tries.append(text)
        raise Unavailable("the adapter is down")

    house.kernel.answer(SEND, adapter_message_pb2.SendMessageRequest, away)
    await house.command("remind", "1m tea")
    await house.later(minutes=1)
    await house.later(seconds=4)
    assert tries == ["tea"]
    for _ in range(6):
        await house.later(minutes=5)
    assert tries.count("tea") == 5
    assert [text for text in tries if text.startswith("Job ")] != []
    assert "delivery failed" in await house.history()


async def test_silence_is_not_sent(house: House) -> None:
    await house.command("remind", "1m [SILENT]")
    await house.later(minutes=1)
    assert house.texts == []
    assert "delivery silent" in await house.history()


async def test_a_prompt_becomes_an_event_whose_end_is_seen(house: House) -> None:
    await house.command("job", "add --agent every 1h what is new?")
    await house.later(hours=1)
    (published,) = house.kernel.state.published
    due = published.event
    assert (due.type, due.bot, due.chat) == ("scheduler.due", "web", Chat.private("7"))
    assert due.payload.data["prompt"] == "what is new?"
    assert due.sender.id == "7"
    assert "run waiting, delivery pending" in await house.history()
    ended = events.event("agent.ended", CustomEvent({"outcome": "answered", "answer": "NO_REPLY"}), bot="web")
    await house.kernel.observe(replace(ended, cause=f"{due.id}.1"))
    assert "run ok, delivery silent" in await house.history()


async def test_a_prompt_that_becomes_a_dead_letter_failed(house: House) -> None:
    await house.command("job", "add --agent every 1h what is new?")
    await house.later(hours=1)
    due = house.kernel.state.published[0].event
    data = {"delivery_id": f"{due.id}.1", "handler": "agent", "reason": "INTERNAL"}
    dead = replace(events.event("kernel.dead_letter", CustomEvent(data)), plugin="kernel")
    for _ in range(2):
        await house.kernel.observe(dead)
    assert "run failed" in await house.history()
    assert house.texts == [f"Job {(await house.scene.desk.store.all())[0].id} failed: dead letter: INTERNAL"]


async def test_targets(house: House) -> None:
    await house.command("sethome", chat=Chat.group("home"))
    for target in ("home", "webchat", "web", "web:group:5", "webchat:private:bob", "a"):
        await house.command("job", f"add --to {target} 1m hi", key=target)
    await house.later(minutes=1)
    assert sorted((sent.bot, str(sent.chat)) for sent in house.kernel.sent) == [
        ("a", "group:9"),
        *[("web", "group:5")],
        *[("web", "group:home")] * 3,
        ("web", "private:bob"),
    ]


@pytest.mark.parametrize(
    ("args", "error", "words"),
    [
        ("add --to twice 1m hi", InvalidArgument, "several bots: a, b"),
        ("add --to nobody 1m hi", NotFound, "no bot or platform"),
        ("add --to b 1m hi", NotFound, "no home channel"),
        ("add --to web:nowhere 1m hi", InvalidArgument, "not a chat"),
        ("add --what 1m hi", InvalidArgument, "no option --what"),
        ("add 1m", InvalidArgument, "1 to 4000"),
        ("add", InvalidArgument, "needed"),
        ("add 2020-01-01T00:00 hi", InvalidArgument, "in the past"),
        ("add --tz Mars 1m hi", InvalidArgument, "no time zone"),
        ("dance", InvalidArgument, "remove|pause"),
        ("remove 12345678", NotFound, "no job"),
    ],
)
async def test_wrong_words(house: House, args: str, error: type[Exception], words: str) -> None:
    with pytest.raises(error) as caught:
        await house.command("job", args)
    assert words in str(caught.value)
    assert await house.scene.desk.store.all() == []


async def test_pause_resume_run_remove(house: House) -> None:
    await house.command("job", "add every 1h tick")
    (job,) = await house.scene.desk.store.all()
    assert "paused" in await house.command("job", f"pause {job.id}")
    await house.later(hours=3)
    assert house.texts == []
    with pytest.raises(InvalidArgument, match="paused"):
        await house.command("job", f"run {job.id}")
    assert "active" in await house.command("job", f"resume {job.id}")
    await house.later(minutes=1)
    assert house.texts == []
    for _ in range(2):
        await house.command("job", f"run {job.id}")
        await house.later()
    assert house.texts == ["tick"]
    assert "removed" in await house.command("job", f"remove {job.id}")
    assert "no jobs" in await house.command("jobs")


async def test_a_pinned_home_stays(house: House) -> None:
    house.kernel.configure({"homes": [{"bot": "web", "chat": "group:1"}]})
    assert "configuration" in await house.command("sethome")


async def test_an_agent_sees_its_own_chat_alone(house: House) -> None:
    ann, bob = Chat.private("ann"), Chat.private("bob")
    for _ in range(2):
        made = await house.tool("schedule_job", ann, key="k", schedule="1h", text="tea", kind="message")
        assert not made.is_error
    (job,) = await house.scene.desk.store.all()
    assert "tea" in (await house.tool("list_jobs", ann)).content.segments[0].text.text
    assert "no jobs" in (await house.tool("list_jobs", bob)).content.segments[0].text.text
    assert (await house.tool("cancel_job", bob, id=job.id)).is_error
    assert (await house.tool("schedule_job", bob, schedule="soon", text="x", kind="message")).is_error
    assert not (await house.tool("cancel_job", ann, id=job.id)).is_error
    with pytest.raises(NotFound):
        await house.tool("dance", ann)


async def test_a_chat_has_so_many_jobs_and_no_more(house: House) -> None:
    for number in range(20):
        await house.command("remind", f"1h n{number}")
    with pytest.raises(Exception, match="too many"):
        await house.command("remind", "1h more")


async def test_a_job_with_a_later_fence_is_left_alone(house: House) -> None:
    await house.command("job", "add every 1h tick")
    (job,) = await house.scene.desk.store.all()
    await house.scene.desk.store.change(job.id, lambda one: replace(one, fence=99))
    await house.later(hours=1)
    assert house.texts == []
