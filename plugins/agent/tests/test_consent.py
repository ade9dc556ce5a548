"""Tools that ask, answers that stop, conversations that are interrupted."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from agent_scene import Scene, says, text_of, tool
from jackfield.v1 import command_pb2, model_pb2, responder_pb2, tool_pb2
from jackfield_agent.approvals import APPROVED, ASKED, Approvals, Question, must_ask
from jackfield_sdk import Actions, Chat, Unavailable, User, convert
from jackfield_sdk.testing import message
from jackfield_sdk.testing.events import interaction
from jackfield_sdk.testing.records import Delivered

# More than `make test-fast` has time for.
pytestmark = pytest.mark.slow

INVOKE = "/jackfield.v1.Commands/Invoke"
DESTRUCTIVE = tool_pb2.TOOL_DANGER_DESTRUCTIVE


async def command(scene: Scene, name: str, args: str = "", user: str = "7", chat: Chat | None = None) -> str:
    """What a user is told for `/name args`."""
    typed = message(f"/{name} {args}", sender=User(id=user), chat=chat or Chat.private("7"))
    request = command_pb2.InvokeRequest(name=name, args=args, event=convert.event_to_proto(typed))
    response = await scene.kernel.call_service(INVOKE, request, command_pb2.InvokeResponse, target="agent")
    return convert.message_to_plain(response.reply).text


async def asking(scene: Scene, **config: Any) -> Delivered:
    """A delivery whose tool has asked."""
    delivered = await scene.kernel.deliver(message("delete it"), **config)
    async with asyncio.timeout(10):
        while not delivered.replies:
            await asyncio.sleep(0.01)
    return delivered


def dangerous(scene: Scene) -> None:
    scene.play()
    scene.tools = [tool("delete", DESTRUCTIVE)]
    scene.answers = [says("", ("1", "delete", '{"all": true}')), says("Done.")]


@pytest.mark.parametrize(
    ("policy", "asks"),
    [("never", ""), ("destructive", "ud"), ("dangerous", "umd"), ("always", "usmd"), ("odd", "usmd")],
)
def test_what_asks(policy: str, asks: str) -> None:
    assert "".join("usmd"[danger] for danger in range(4) if must_ask(policy, danger)) == asks
    assert must_ask(policy, 9) is (policy != "never")


async def test_a_tool_runs_once_the_user_said_so(scene: Scene) -> None:
    dangerous(scene)
    async with scene.running():
        delivered = await asking(scene)
        question = delivered.replies[0]
        assert 'toolbox/delete (it destroys, spends or publishes) with {"all": true}' in question.text
        actions = question.message.first(Actions)
        assert actions is not None
        assert scene.ran == []
        assert await command(scene, "approve", user="8") == (
            "Only the person who asked, or an administrator, may answer that."
        )
        assert await command(scene, "approve", "nonsense") == "Nothing asks for approval here."
        assert await command(scene, "approve") == "Approved: delete"
        assert (await delivered.outcome).done
        assert await command(scene, "deny", actions.id.rpartition("/")[2]) == (
            "That was answered already: delete"
        )
    assert scene.ran == [("delete", {"all": True})]
    assert delivered.replies[-1].text == "Done."


async def test_a_denied_tool_does_not_run_and_the_model_hears_it(scene: Scene) -> None:
    dangerous(scene)
    async with scene.running(admins=["bot:8"]):
        delivered = await asking(scene)
        assert await command(scene, "deny", user="8") == "Denied: delete"
        assert (await delivered.outcome).done
    assert scene.ran == []
    assert "approval was denied" in text_of(scene.asked[1].messages[-1])


async def test_a_button_answers(scene: Scene) -> None:
    dangerous(scene)
    async with scene.running():
        delivered = await asking(scene)
        actions = delivered.replies[0].message.first(Actions)
        assert actions is not None
        other = interaction("approve", controls_id="somebody/else")
        assert (await (await scene.kernel.deliver(other)).outcome).done
        pressed = await scene.kernel.deliver(interaction("approve", controls_id=actions.id))
        assert (await pressed.outcome).done
        assert pressed.replies[0].text == "Approved: delete"
        assert (await delivered.outcome).done
    assert len(scene.ran) == 1


async def test_a_decision_holds_for_no_other_call(scene: Scene) -> None:
    dangerous(scene)
    scene.answers = [
        says("", ("call_0", "delete", '{"all": false}')),
        says("", ("call_0", "delete", '{"all": true}')),
        says("Done."),
    ]
    async with scene.running():
        delivered = await asking(scene)
        assert await command(scene, "approve") == "Approved: delete"
        async with asyncio.timeout(10):
            while len(delivered.replies) < 2:
                await asyncio.sleep(0.01)
        assert await command(scene, "deny") == "Denied: delete"
        assert (await delivered.outcome).done
    assert scene.ran == [("delete", {"all": False})]


async def test_a_question_expires(scene: Scene) -> None:
    dangerous(scene)
    async with scene.running(approval_seconds=60):
        delivered = await asking(scene)
        scene.clock += 61
        assert await command(scene, "approve") == "Nothing asks for approval here."
        assert (await delivered.outcome).done
    assert scene.ran == []
    assert "approval was expired" in text_of(scene.asked[1].messages[-1])


async def test_a_decision_outlives_the_agent(scene: Scene) -> None:
    dangerous(scene)
    async with scene.running() as running:
        delivered = await asking(scene)
        running.task.cancel()
        await asyncio.wait([running.task])
    async with scene.running():
        assert await command(scene, "approve") == "Approved: delete"
        again = await scene.kernel.redeliver(delivered)
        assert (await again.outcome).done
    assert len(scene.ran) == 1
    assert len(scene.asked) == 2


async def test_stop_ends_an_answer_and_keeps_what_was_said(scene: Scene) -> None:
    scene.play()
    dangerous(scene)
    async with scene.running():
        assert await command(scene, "stop") == "Nothing is being written here."
        delivered = await asking(scene)
        assert await command(scene, "stop") == "Stopped."
        outcome = await delivered.outcome
        assert outcome.done
        assert outcome.emits[-1][1]["outcome"] == "stopped"
    assert delivered.replies[-1].text == "(stopped)"
    roles = [turn.message.role for turn in scene.turns]
    assert roles == [
        model_pb2.MODEL_ROLE_USER,
        model_pb2.MODEL_ROLE_ASSISTANT,
        model_pb2.MODEL_ROLE_TOOL,
        model_pb2.MODEL_ROLE_ASSISTANT,
    ]


@pytest.mark.parametrize(
    ("user", "config", "told"),
    [
        ("8", {}, "Only the person who asked, or an administrator, may stop that."),
        ("7", {}, "Stopped."),
        ("9", {"admins": ["bot:9"]}, "Stopped."),
        ("8", {"stop": "anyone"}, "Stopped."),
    ],
)
async def test_in_a_group_who_asked_may_stop(
    scene: Scene, user: str, config: dict[str, Any], told: str
) -> None:
    dangerous(scene)
    group = Chat.group("g")
    async with scene.running(**config):
        delivered = await scene.kernel.deliver(message("delete it", sender=User(id="7"), chat=group))
        async with asyncio.timeout(10):
            while not delivered.replies:
                await asyncio.sleep(0.01)
        assert await command(scene, "stop", user=user, chat=group) == told
        if told != "Stopped.":
            assert not delivered.outcome.done()
            assert await command(scene, "stop", user="7", chat=group) == "Stopped."
        assert (await delivered.outcome).emits[-1][1]["outcome"] == "stopped"


async def test_an_interrupted_answer_is_kept_as_cut(scene: Scene) -> None:
    dangerous(scene)
    async with scene.running():
        delivered = await asking(scene)
        scene.kernel.cancel(delivered, confirm=True)
        assert (await delivered.outcome).released
    assert text_of(scene.turns[-1].message) == "(cut off by a new message)"


async def test_a_delivery_that_comes_again_leaves_no_trace_of_its_end(scene: Scene) -> None:
    dangerous(scene)
    async with scene.running():
        delivered = await asking(scene)
        scene.kernel.cancel(delivered, "UNAVAILABLE", confirm=True)
        assert (await delivered.outcome).released
    assert scene.turns == []


async def test_models_are_listed_and_chosen(scene: Scene) -> None:
    scene.play()
    scene._install("other", "jackfield.v1.Model")
    async with scene.running():
        assert "brain/m" in await command(scene, "model")
        assert "no model x/y" in await command(scene, "model", "x/y")
        assert await command(scene, "model", "other/m") == "This bot now asks other/m first."
        delivered = await scene.kernel.deliver(message("hi"))
        assert (await delivered.outcome).done
        assert scene.asked[-1].model == "m"
        assert "again" in await command(scene, "model", "default")


async def test_usage(scene: Scene) -> None:
    scene.play()
    async with scene.running():
        assert (await command(scene, "usage")).startswith("This conversation: 0 turns")
    scene.kernel.state.catalog.plugins[-1].state = "STOPPED"
    async with scene.running():
        assert "without memory" in await command(scene, "usage")


async def test_a_short_id_that_another_question_has_is_made_longer(scene: Scene) -> None:
    async with scene.running() as running:
        approvals = Approvals(running.runtime.context, lambda: scene.clock)
        one = Question("", "a" * 64, "delete", "bot", "bot:private:7", "7", scene.clock + 60)
        first = await approvals.ask(one)
        assert (await approvals.decide(first.id, APPROVED)).state == APPROVED
        assert (await approvals.ask(one)).state == APPROVED
        second = await approvals.ask(replace(one, origin="a" * 6 + "b" * 58))
        assert (len(first.id), len(second.id), second.state) == (6, 16, ASKED)


async def test_stop_reaches_answers_of_other_plugins(scene: Scene) -> None:
    scene.play()
    told: list[object] = []

    def stop(request: responder_pb2.StopAnswersRequest) -> responder_pb2.StopAnswersResponse:
        told.append(request)
        if len(told) > 1:
            raise Unavailable("away")
        return responder_pb2.StopAnswersResponse(stopped=1)

    scene.kernel.answer("/jackfield.v1.Responder/StopAnswers", responder_pb2.StopAnswersRequest, stop)
    scene._install("elsewhere", "jackfield.v1.Responder")
    async with scene.running():
        assert await command(scene, "stop") == "Stopped."
        assert await command(scene, "stop") == "Nothing is being written here."
    assert len(told) == 2
