"""From a message to its answer: memory, tools, bounds, failures."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from agent_scene import Scene, says, text_of, tool, tool_result
from jackfield.v1 import adapter_message_pb2, conversation_pb2, model_pb2, tool_pb2
from jackfield_agent.desk import memory_place
from jackfield_agent.settings import Settings
from jackfield_sdk import (
    AuthExpired,
    Chat,
    CustomEvent,
    Event,
    GroupMemberJoined,
    InvalidArgument,
    OutcomeUnknown,
    PlatformError,
    Unavailable,
    User,
)
from jackfield_sdk.entity import Group
from jackfield_sdk.testing import message
from jackfield_sdk.testing.events import event
from jackfield_sdk.testing.records import Delivered

# More than `make test-fast` has time for.
pytestmark = pytest.mark.slow

TOOL = model_pb2.MODEL_ROLE_TOOL


async def answered(scene: Scene, text: str = "hi", **fields: Any) -> Delivered:
    rule_config = fields.pop("rule_config", None)
    delivered = await scene.kernel.deliver(message(text, **fields), rule_config=rule_config)
    outcome = await delivered.outcome
    assert outcome.done, outcome.error
    return delivered


def told(delivered: Delivered) -> list[str]:
    return [reply.text for reply in delivered.replies]


async def test_a_message_is_answered_and_remembered(scene: Scene) -> None:
    scene.play()
    async with scene.running(instructions="Be kind."):
        assert told(await answered(scene, "My name is Ann")) == ["Hello!"]
        await answered(scene, "And now?")
    first, second = scene.asked
    assert text_of(first.messages[0]).startswith("Be kind.")
    assert [text_of(one) for one in second.messages[1:]] == ["My name is Ann", "Hello!", "And now?"]
    assert len(scene.turns) == 4
    assert scene.turns[0].user_id == "7"
    assert scene.turns[1].usage.output_tokens == 5


async def test_without_a_memory_it_answers_all_the_same(scene: Scene) -> None:
    scene.play(memory=False)
    async with scene.running():
        assert told(await answered(scene)) == ["Hello!"]


async def test_tools_run_and_their_results_go_back(scene: Scene) -> None:
    scene.play()
    scene.tools = [tool("look"), tool("add")]
    scene.answers = [
        says("Let me see.", ("1", "look", '{"at": "sky"}'), ("2", "add", '{"a": 1}')),
        says("It is blue."),
    ]
    async with scene.running():
        delivered = await answered(scene)
    assert told(delivered) == ["Let me see.", "It is blue."]
    assert sorted(scene.ran) == [("add", {"a": 1}), ("look", {"at": "sky"})]
    back = [one for one in scene.asked[1].messages if one.role == TOOL]
    assert [(one.tool_call_id, text_of(one)) for one in back] == [("1", "look ran"), ("2", "add ran")]
    outcome = await delivered.outcome
    assert [name for name, _ in outcome.emits] == ["agent.started", "agent.step", "agent.step", "agent.ended"]
    assert outcome.emits[-1][1]["outcome"] == "answered"


async def test_a_repeat_runs_no_tool_and_asks_no_model_again(scene: Scene) -> None:
    scene.play()
    scene.tools = [tool("look", tool_pb2.TOOL_DANGER_MUTATING)]
    scene.answers = [says("", ("1", "look", "{}")), says("Done.")]
    async with scene.running():
        first = await answered(scene)
        again = await scene.kernel.redeliver(first)
        assert (await again.outcome).done
    assert len(scene.asked) == 2
    assert len(scene.ran) == 1
    assert len(scene.turns) == 4


@pytest.mark.parametrize("arguments", ["{broken", "[1]", '{"a": NaN}', "[" * 20_000])
async def test_arguments_that_cannot_be_read_go_back_to_the_model(scene: Scene, arguments: str) -> None:
    scene.play()
    scene.tools = [tool("look")]
    scene.answers = [says("", ("1", "look", arguments)), says("Sorry.")]
    async with scene.running():
        assert told(await answered(scene)) == ["Sorry."]
    last = scene.asked[1].messages[-1]
    assert last.is_error
    assert "cannot be read" in text_of(last)
    assert scene.ran == []


async def test_a_model_that_never_writes_json_is_stopped(scene: Scene) -> None:
    scene.play()
    scene.tools = [tool("look")]
    scene.answers = [says("", ("1", "look", "{broken"))]
    async with scene.running():
        (text,) = told(await answered(scene))
    assert "cannot be read, 3 times" in text
    assert len(scene.asked) == 3
    assert text_of(scene.turns[-1].message) == text


async def test_a_tool_that_is_not_there_or_fails_is_told_to_the_model(scene: Scene) -> None:
    scene.play()
    scene.tools = [tool("look")]

    def fail(request: tool_pb2.CallToolRequest) -> Any:
        raise InvalidArgument("at: expected a place")

    scene.run_tool = fail
    scene.answers = [says("", ("1", "look", "{}"), ("2", "fly", "{}")), says("No.")]
    async with scene.running():
        await answered(scene)
    failed, missing = scene.asked[1].messages[-2:]
    assert "INVALID_ARGUMENT" in text_of(failed)
    assert "There is no tool 'fly'" in text_of(missing)


async def test_a_tool_with_an_unknown_outcome_is_not_run_again(scene: Scene) -> None:
    scene.play()
    scene.tools = [tool("pay", tool_pb2.TOOL_DANGER_MUTATING)]

    def die(request: tool_pb2.CallToolRequest) -> Any:
        raise OutcomeUnknown("died")

    scene.run_tool = die
    scene.answers = [says("", ("1", "pay", "{}")), says("Unclear.")]
    async with scene.running():
        first = await answered(scene)
        again = await scene.kernel.redeliver(first)
        assert (await again.outcome).done
    assert len(scene.ran) == 1
    assert "Nobody knows" in text_of(scene.asked[1].messages[-1])


@pytest.mark.parametrize(
    ("config", "words"),
    [({"max_rounds": 2}, "2 rounds"), ({"max_tokens": 20}, "20 tokens")],
)
async def test_bounds_end_an_answer_with_a_word(scene: Scene, config: dict[str, int], words: str) -> None:
    scene.play()
    scene.tools = [tool("look")]
    scene.answers = [says("", ("1", "look", "{}"))]
    async with scene.running(**config):
        delivered = await answered(scene)
    assert words in told(delivered)[-1]
    assert (await delivered.outcome).emits[-1][1]["outcome"] == "bound"
    calls = {call.id for turn in scene.turns for call in turn.message.tool_calls}
    assert calls == {turn.message.tool_call_id for turn in scene.turns if turn.message.tool_call_id}


async def test_a_model_that_hangs_is_given_up(scene: Scene) -> None:
    scene.play()
    never = asyncio.Event()

    async def hang() -> Any:
        await never.wait()

    scene.answers = [hang]
    async with scene.running(max_seconds=1, model_seconds=0.2):
        delivered = await answered(scene)
    assert "longer than 1 s" in told(delivered)[0] or "DEADLINE_EXCEEDED" in told(delivered)[0]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (AuthExpired("key refused: sk-secret"), "(AUTH_EXPIRED)"),
        ([model_pb2.ChatResponse(text="Hel")], "Hel\n\n(the model broke off here: PLATFORM_ERROR)"),
        ([], "(PLATFORM_ERROR)"),
        ([model_pb2.ChatResponse(text="x" * 150_000)] * 2, "broke off here"),
        (says(""), "nothing to say"),
        (says("cut", reason=model_pb2.FINISH_REASON_LENGTH), "cut\n\n(the answer reached its largest size)"),
        (says("", reason=model_pb2.FINISH_REASON_FILTERED), "withheld"),
        (says("", *[(str(n), "look", "{}") for n in range(33)]), "(PLATFORM_ERROR)"),
    ],
)
async def test_a_model_that_fails_is_put_into_words(scene: Scene, answer: Any, words: str) -> None:
    scene.play()
    scene.answers = [answer]
    async with scene.running():
        (text,) = told(await answered(scene))
    assert words in text
    assert "sk-secret" not in text


async def test_a_passing_failure_is_tried_again_and_a_refusal_goes_to_the_next_model(scene: Scene) -> None:
    scene.play()
    scene._install("other", "jackfield.v1.Model")
    scene.answers = [Unavailable("busy"), AuthExpired("no"), says("Other here.")]
    async with scene.running(models=["brain", "other/m2"]):
        first = await answered(scene)
        assert told(first) == ["Other here."]
        again = await scene.kernel.redeliver(first)
        assert (await again.outcome).done
    assert [one.model for one in scene.asked] == ["", "", "m2"]


async def test_no_model_at_all_is_said(scene: Scene) -> None:
    async with scene.running():
        assert "No model is running" in told(await answered(scene))[0]


async def test_any_event_is_answered_by_a_prompt(scene: Scene) -> None:
    scene.play()

    def joined() -> Event:
        payload = GroupMemberJoined(group=Group(id="5", name="Cats"), member=User(id="9", nickname="Bo"))
        return event("group.member_joined", payload, chat=Chat.group("5"))

    async with scene.running():
        prompt = "{{Welcome}} {member_name} to {group_name}, {chat.id} {type}{sender.remark}"
        delivered = await scene.kernel.deliver(joined(), rule_config={"prompt": prompt})
        assert (await delivered.outcome).done
        assert told(delivered) == ["Hello!"]
        assert text_of(scene.asked[0].messages[-1]) == "{Welcome} Bo to Cats, 5 group.member_joined"
        elsewhere = await scene.kernel.deliver(joined(), rule_config={"target": "bot:group:8"})
        assert (await elsewhere.outcome).done
        assert scene.kernel.sent[-1].chat == Chat.group("8")
        wrong = await scene.kernel.deliver(joined(), rule_config={"prompt": "{nonsense}"})
        error = (await wrong.outcome).error
        assert error is not None
        assert "{nonsense}" in error.message


@pytest.mark.parametrize("silence", ["[SILENT]", "NO_REPLY"])
async def test_nothing_to_say_is_not_said_where_nobody_wrote(scene: Scene, silence: str) -> None:
    scene.play()
    scene.answers[:] = [says(silence)]
    async with scene.running():
        due = replace(event("scheduler.due", CustomEvent({"prompt": "news?"})), subject="job-1")
        delivered = await scene.kernel.deliver(due, rule_config={"prompt": "{data.prompt}"})
        assert (await delivered.outcome).done
        assert told(delivered) == []
        assert text_of(scene.asked[0].messages[-1]) == "news?"
        assert told(await answered(scene)) == [silence]


async def test_a_long_history_is_summarised(scene: Scene) -> None:
    scene.context_tokens = 1000
    scene.play()
    async with scene.running(max_tokens=10**6):
        for number in range(14):
            await answered(scene, f"{number} " + "word " * 40)
            if scene.resets:
                break
        assert len(scene.resets) == 1
        first = scene.resets[0].turns[0]
        assert text_of(first.message) == "Summary of the conversation so far: Hello!"
        assert len(scene.resets[0].turns) <= 22


async def test_equal_names_of_two_plugins_are_told_apart(scene: Scene) -> None:
    scene.play()
    scene._install("workshop", "jackfield.v1.Tools")
    scene.tools = [tool("look")]
    async with scene.running():
        await answered(scene)
        assert sorted(one.name for one in scene.asked[0].tools) == ["toolbox__look", "workshop__look"]
        await answered(scene, rule_config={"tools": ["workshop/look"]})
        assert [one.name for one in scene.asked[1].tools] == ["look"]
        await answered(scene, rule_config={"tools": []})
        assert not scene.asked[2].tools


async def test_pictures_of_tools_reach_the_user(scene: Scene) -> None:
    scene.play()
    scene.tools = [tool("draw")]

    def draw(request: tool_pb2.CallToolRequest) -> Any:
        made = tool_result("drawn")
        made[0].result.content.segments.add().image.media.blob_id = "sha256-1"
        return made

    scene.run_tool = draw
    scene.answers = [says("", ("1", "draw", "{}")), says("Here.")]
    async with scene.running():
        delivered = await answered(scene)
    assert delivered.replies[0].message.plain() == "Here.[Image]"


async def test_a_reply_that_the_platform_refuses_is_a_dead_letter(scene: Scene) -> None:
    scene.play()

    def refuse(requests: Any) -> Any:
        raise PlatformError("blocked")

    scene.kernel.answer("/jackfield.v1.Adapter/StreamReply", adapter_message_pb2.StreamReplyRequest, refuse)
    async with scene.running():
        delivered = await scene.kernel.deliver(message("hi"))
        error = (await delivered.outcome).error
    assert error is not None
    assert error.reason == "PLATFORM_ERROR"


async def test_a_reply_that_cannot_grow_is_no_failure_of_the_model(scene: Scene) -> None:
    scene.play()
    refused = 0

    def refuse_once(requests: Any) -> Any:
        nonlocal refused
        refused += 1
        raise PlatformError("blocked")

    scene.kernel.answer(
        "/jackfield.v1.Adapter/StreamReply", adapter_message_pb2.StreamReplyRequest, refuse_once
    )
    async with scene.running():
        delivered = await scene.kernel.deliver(message("hi"))
        assert (await delivered.outcome).error is not None
    assert len(scene.asked) == 1
    assert refused == 1


async def test_a_memory_that_stays_away_costs_two_attempts_and_not_the_answer(scene: Scene) -> None:
    scene.play()

    def away(request: Any) -> Any:
        raise Unavailable("away")

    scene.kernel.answer(
        "/jackfield.v1.Conversation/OpenConversation", conversation_pb2.OpenConversationRequest, away
    )
    async with scene.running():
        first = await scene.kernel.deliver(message("hi"))
        error = (await first.outcome).error
        assert error is not None
        assert error.retryable
        third = await scene.kernel.deliver(message("hi"), attempt=3)
        assert (await third.outcome).done
        assert told(third) == ["Hello!"]


def test_a_job_remembers_apart_from_the_chat() -> None:
    said = message("hi", chat=Chat.group("5"))
    due = replace(event("scheduler.due", CustomEvent({}), chat=Chat.group("5")), subject="job-1")
    places = [memory_place(["memory"], one, Settings()) for one in (said, due)]
    assert [str(place.target.chat) for place in places] == ["group:5", "group:5:job-1"]


async def test_what_a_provider_signed_is_kept_unless_it_is_too_large(scene: Scene) -> None:
    scene.play()
    small, large = says("one"), says("two")
    small[-1].finish.message.provider_state = b"signed"
    large[-1].finish.message.provider_state = b"s" * 200_000
    large[-1].finish.message.reasoning = "hm" * 100_000
    scene.answers = [small, large]
    async with scene.running():
        for words in ("first", "second"):
            delivered = await scene.kernel.deliver(message(words))
            assert (await delivered.outcome).done
    _, first, _, second = (turn.message for turn in scene.turns)
    assert scene.asked[1].messages[2].provider_state == b"signed" == first.provider_state
    assert (text_of(second), second.provider_state) == ("two", b"")
    assert second.ByteSize() < 150 * 1024
