"""From a message to its answer, with a responder that the fake kernel plays."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from jackfield.v1 import responder_pb2
from jackfield_pipeline.pipeline import Pipeline, build
from jackfield_sdk import (
    AuthExpired,
    Chat,
    File,
    Forward,
    JackfieldError,
    Mention,
    Message,
    OutcomeUnknown,
    PlatformError,
    Unavailable,
    convert,
)
from jackfield_sdk.errors import error_to_proto
from jackfield_sdk.testing import FakeKernel, message
from jackfield_sdk.testing.events import event
from jackfield_sdk.testing.records import Delivered, Outcome

# More than `make test-fast` has time for.
pytestmark = pytest.mark.slow

pb = responder_pb2
GROUP = Chat.group("5")


def says(text: str, *, outcome: int = pb.ANSWER_OUTCOME_ANSWERED, error: Any = None) -> list[Any]:
    """An answer in words."""
    words = text.split(" ")
    steps = [pb.RespondResponse(text=" ".join(words[:count])) for count in range(1, len(words))]
    end = pb.AnswerEnd(outcome=pb.AnswerOutcome.ValueType(outcome))
    if text:
        end.message.CopyFrom(convert.message_to_proto(Message.markdown(text)))
    if error is not None:
        end.error.CopyFrom(error_to_proto(error))
    return [*steps, pb.RespondResponse(end=end)]


@dataclass
class Scene:
    """A responder that is scripted, a clock that the test moves, and sleeps that only count."""

    kernel: FakeKernel
    answers: list[Any] = field(default_factory=lambda: [says("Hello there")])
    asked: list[Any] = field(default_factory=list)
    slept: list[float] = field(default_factory=list)
    now: float = 30.0

    def respond(self, request: Any) -> Any:
        self.asked.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, JackfieldError):
            raise answer
        return answer

    @contextlib.asynccontextmanager
    async def running(self, **config: Any) -> AsyncIterator[None]:
        async def sleep(seconds: float) -> None:
            self.slept.append(seconds)

        self.kernel.answer("/jackfield.v1.Responder/Respond", pb.RespondRequest, self.respond)
        plugin = build(Pipeline(now=lambda: self.now, sleep=sleep))
        async with self.kernel.running(plugin, config={"language": "en", "pipelines": [], **config}):
            yield

    async def take(
        self, content: str | Message = "hi", *, chat: Any = None, merged: Any = (), **rule: Any
    ) -> Delivered:
        """A message under a rule, handled; `mentions` says whether it mentions the bot."""
        mentions = rule.pop("mentions", False)
        config = {"responder": {"plugin": "runners", "name": "a"}, **rule}
        config = {key: value for key, value in config.items() if value is not None}
        delivered = await self.kernel.deliver(
            message(content, chat=chat, mentions_bot=mentions), rule_config=config, merged=merged
        )
        await asyncio.wait_for(asyncio.shield(delivered.outcome), 10)
        return delivered

    async def told(self, content: str | Message = "hi", **rule: Any) -> list[str]:
        """The texts of the answer."""
        delivered = await self.take(content, **rule)
        assert (await delivered.outcome).done, await delivered.outcome
        return [reply.text for reply in delivered.replies]


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    async with FakeKernel() as kernel:
        yield Scene(kernel)


def ended(outcome: Outcome) -> tuple[str, str]:
    ((name, data),) = outcome.emits
    assert name == "pipeline.ended"
    return data["outcome"], data["stage"] or data["reason"]


async def test_a_message_is_answered(scene: Scene) -> None:
    async with scene.running(pipelines=[{"name": "p", "responder": {"plugin": "runners", "name": "b"}}]):
        delivered = await scene.take("ask", pipeline="p", responder=None)
        outcome = await delivered.outcome
    assert [reply.text for reply in delivered.replies] == ["Hello there"]
    assert (outcome.stop, ended(outcome)) == (True, ("answered", ""))
    (asked,) = scene.asked
    assert (asked.name, asked.message.segments[0].text.text) == ("b", "ask")
    assert not asked.event.reply_context
    assert not asked.event.message_received.HasField("message")


async def test_a_repeat_asks_nothing_and_says_the_same(scene: Scene) -> None:
    async with scene.running():
        first = await scene.take("hi", long={"above": 16, "strategy": "split"})
        again = await scene.kernel.redeliver(first)
        assert (await again.outcome).done
    assert len(scene.asked) == 1


async def test_merged_messages_are_one_question(scene: Scene) -> None:
    async with scene.running():
        await scene.take("one", merged=[message("two")])
    assert convert.message_to_plain(scene.asked[0].message).text == "one\ntwo"


async def test_a_group_is_answered_when_it_is_meant(scene: Scene) -> None:
    trigger = {"prefixes": ["ai"]}
    async with scene.running():
        left = await scene.take("hi", chat=GROUP, trigger=trigger)
        assert await scene.told("ai hi", chat=GROUP, trigger=trigger) == ["Hello there"]
        assert await scene.told("hi", chat=GROUP, mentions=True, trigger=trigger) == ["Hello there"]
    outcome = await left.outcome
    # A rule behind it may take what was not meant for this one.
    assert (outcome.stop, ended(outcome), left.replies) == (False, ("refused", "trigger"), [])
    assert convert.message_to_plain(scene.asked[0].message).text == "hi"


@pytest.mark.parametrize(
    ("rule", "stage", "reply"),
    [
        ({"access": {"entries": ["person_7"]}}, "access", []),
        ({"ignore": {"prefixes": ["b"]}}, "ignore", []),
        ({"filter": {"words": ["bad"], "action": "block", "reply": "Mind your words."}}, "filter", ["Mind your words."]),
    ],
)  # fmt: skip
async def test_a_refusal_ends_the_chain(scene: Scene, rule: Any, stage: str, reply: list[str]) -> None:
    async with scene.running():
        delivered = await scene.take("bad", **rule)
    outcome = await delivered.outcome
    assert (outcome.stop, ended(outcome)) == (True, ("refused", stage))
    assert [one.text for one in delivered.replies] == reply
    assert scene.asked == []


async def test_words_are_masked_both_ways(scene: Scene) -> None:
    scene.answers = [says("so bad a day")]
    async with scene.running():
        assert await scene.told("a bad idea", filter={"words": ["bad"], "mask": "*"}) == ["so * a day"]
    assert convert.message_to_plain(scene.asked[0].message).text == "a * idea"


async def test_an_answer_is_held_back(scene: Scene) -> None:
    scene.answers = [says("so bad")]
    async with scene.running():
        rule = {"filter": {"words": ["bad"], "action": "block", "scope": "outgoing"}}
        delivered = await scene.take("bad", **rule)
    assert [one.text for one in delivered.replies] == ["(the answer was withheld)"]
    assert ended(await delivered.outcome)[0] == "withheld"


async def test_too_many_messages_are_turned_away(scene: Scene) -> None:
    rate = {"limit": 1, "reply": "Slowly."}
    async with scene.running():
        first = await scene.take("1", rate=rate)
        assert await scene.told("2", rate=rate) == ["Slowly."]
        again = await scene.kernel.redeliver(first)
        assert (await again.outcome).done
        scene.now = 61.0
        assert await scene.told("3", rate=rate) == ["Hello there"]
    assert len(scene.asked) == 2


async def test_too_many_messages_wait_their_turn(scene: Scene) -> None:
    rate = {"limit": 1, "strategy": "wait"}
    async with scene.running():
        await scene.take("1", rate=rate)
        second = await scene.take("2", rate=rate)
        outcome = await second.outcome
        assert (outcome.done, outcome.retry_after) == (False, 30.0)
        scene.now = 60.0
        again = await scene.kernel.redeliver(second)
        assert (await again.outcome).done
        assert [one.text for one in again.replies] == ["Hello there"]


async def test_ten_messages_at_once_take_five_places(scene: Scene) -> None:
    async with scene.running():
        taken = await asyncio.gather(*(scene.take(str(number), rate={"limit": 5}) for number in range(10)))
    outcomes = [ended(await one.outcome) for one in taken]
    assert sorted(outcomes) == [("answered", "")] * 5 + [("refused", "rate")] * 5


async def test_a_gate_lets_pass_or_ends_the_chain(scene: Scene) -> None:
    trigger = {"mention": True}
    async with scene.running():
        passed = await (
            await scene.take("hi", chat=GROUP, mentions=True, trigger=trigger, responder=None)
        ).outcome
        held = await (await scene.take("hi", chat=GROUP, trigger=trigger, responder=None)).outcome
        rude = await (await scene.take("bad", filter={"words": ["bad"]}, responder=None)).outcome
    assert (passed.stop, ended(passed)) == (False, ("passed", ""))
    assert (held.stop, ended(held)) == (True, ("refused", "trigger"))
    # It cannot hand on another text, so it holds back what it would mask.
    assert (rude.stop, ended(rude)) == (True, ("refused", "filter"))
    assert scene.asked == []


LONG = "word " * 30


@pytest.mark.parametrize("stream", [True, False])
async def test_long_answers(scene: Scene, stream: bool) -> None:
    scene.answers = [says(LONG.strip())]
    send = {"stream": stream}
    async with scene.running():
        split = await scene.told(send=send, long={"above": 60, "strategy": "split"})
        file = await scene.take(send=send, long={"above": 60, "strategy": "file"})
        bundle = await scene.take(send=send, long={"above": 60, "strategy": "forward"})
        blobs = list(scene.kernel.state.blobs.values())
    assert "".join(split) == LONG.strip()
    assert len(split) == 3
    assert file.replies[-1].message.first(File) is not None
    assert blobs == [LONG.strip().encode()]
    (forward,) = bundle.replies[-1].message.all(Forward)
    assert len(forward.nodes) == 3


async def test_presentation(scene: Scene) -> None:
    send = {"mention_sender": True, "quote_origin": True, "delay_min": 1, "delay_max": 2}
    async with scene.running():
        (reply,) = (await scene.take(chat=GROUP, send=send)).replies
        (private,) = (await scene.take(send=send)).replies
    assert reply.message == Message(Mention("7", "Ann"), " ") + Message.markdown("Hello there")
    assert reply.quote
    assert private.message.first(Mention) is None
    assert all(1 <= seconds <= 2 for seconds in scene.slept)


@pytest.mark.parametrize(
    ("errors", "expected"),
    [
        ({}, ["I could not get an answer (AUTH_EXPIRED). Please try again later."]),
        ({"show": "hint", "hint": "Sorry."}, ["Sorry."]),
        ({"show": "error"}, ["AUTH_EXPIRED: the key was refused"]),
        ({"show": "hide"}, []),
    ],
)
async def test_failures(scene: Scene, errors: Any, expected: list[str]) -> None:
    scene.answers = [AuthExpired("the key was refused")]
    async with scene.running():
        assert await scene.told(errors=errors) == expected


async def test_what_may_pass_is_asked_again(scene: Scene) -> None:
    scene.answers = [Unavailable("away"), OutcomeUnknown("died"), says("Hello there")]
    async with scene.running():
        assert await scene.told() == ["Hello there"]
    assert len(scene.asked) == 3
    assert scene.slept == [0.5, 1.0]


@pytest.mark.parametrize(
    ("show", "expected"),
    [
        ("hint", "Once\n\n(the answer broke off here)"),
        ("error", "Once\n\n(PLATFORM_ERROR: quota)"),
        ("hide", "Once"),
    ],
)
async def test_an_answer_that_broke_off_is_marked(scene: Scene, show: str, expected: str) -> None:
    scene.answers = [says("Once", outcome=pb.ANSWER_OUTCOME_FAILED, error=PlatformError("quota"))]
    async with scene.running():
        assert await scene.told(errors={"show": show}) == [expected]


async def test_an_answer_that_was_stopped_or_empty_says_so(scene: Scene) -> None:
    scene.answers = [says("", outcome=pb.ANSWER_OUTCOME_STOPPED), says("")]
    async with scene.running():
        assert await scene.told() == ["(stopped)"]
        assert await scene.told() == ["(there was no answer)"]


async def test_other_events_and_wrong_settings_are_dead_letters(scene: Scene) -> None:
    async with scene.running():
        delivered = await scene.kernel.deliver(event("friend.added"), rule_config={})
        outcome = await delivered.outcome
        assert outcome.error is not None
        assert "takes message.received, not friend.added" in outcome.error.message
        for rule in ({"pipeline": "none"}, {"trigger": {"regex": ["("]}}):
            wrong = await scene.take(**rule)
            error = (await wrong.outcome).error
            assert error is not None
            assert not error.retryable
            assert len(wrong.replies) == 1


@pytest.mark.parametrize("text", ["\x00", "𝕏" * 5000, "（" * 20, "\u202e\u200b", "a" * 100_000])
async def test_hostile_texts(scene: Scene, text: str) -> None:
    rule = {
        "filter": {"words": ["bad", "("], "regex": ["(a+)+b"]}, "ignore": {"regex": ["(x+x+)+y"]},
        "long": {"above": 100, "strategy": "split"},
    }  # fmt: skip
    scene.answers = [says(text)]
    async with scene.running():
        told = await scene.told(text, **rule)
    assert "".join(told) == text or told == ["(there was no answer)"]
