"""Commands, from the message to the answer."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from importlib import resources
from typing import Any

import pytest
import yaml
from jackfield.v1 import command_pb2, frame_pb2
from jackfield_command.command import INVOKE, build
from jackfield_command.request import OWN
from jackfield_sdk import (
    Chat,
    GrantMissing,
    Image,
    InvalidArgument,
    JackfieldError,
    Media,
    Mention,
    Message,
    Quote,
    Unavailable,
    User,
    convert,
    wellknown,
)
from jackfield_sdk.testing import FakeKernel, RunningPlugin, message

REMINDER = {
    "name": "remind",
    "aliases": ["r"],
    "description": {"en": "Reminds you", "zh": "提醒你"},
    "usage": "<when> <what>",
}
SHUTDOWN = {"name": "shutdown", "description": "Stops everything", "admin": True}


@pytest.fixture
async def kernel() -> AsyncIterator[FakeKernel]:
    async with FakeKernel() as kernel:
        catalog = kernel.state.catalog
        for name, state, commands in (
            ("echo", "ACTIVE", []),
            ("reminders", "ACTIVE", [REMINDER]),
            ("operations", "PARKED", [SHUTDOWN]),
            ("gone", "STOPPED", [{"name": "lost"}]),
        ):
            plugin = catalog.plugins.add(
                name=name, state=state, reason="five crashes" if state == "PARKED" else ""
            )
            plugin.manifest.CopyFrom(wellknown.struct_to_proto({"provides": {"commands": commands}}))
        catalog.bots.add(name="bot", platform="test", enabled=True, state=frame_pb2.BOT_STATE_ACTIVE)
        catalog.bots.add(
            name="second", platform="test", enabled=True, state=frame_pb2.BOT_STATE_FAILED, reason="no token"
        )
        catalog.bots.add(name="third", platform="test", enabled=False, state=frame_pb2.BOT_STATE_STOPPED)
        yield kernel


def running(kernel: FakeKernel, **config: Any) -> AbstractAsyncContextManager[RunningPlugin]:
    return kernel.running(build(), config=config)


async def answer(kernel: FakeKernel, content: str | Message, **fields: Any) -> str:
    """What the user is told; "" for nothing."""
    rule_config = fields.pop("rule_config", None)
    delivered = await kernel.deliver(message(content, **fields), rule_config=rule_config)
    assert (await delivered.outcome).done
    return "\n".join(reply.text for reply in delivered.replies)


def invoked(
    kernel: FakeKernel, reply: Message | JackfieldError | None = None
) -> list[command_pb2.InvokeRequest]:
    """Play the plugin behind the commands."""
    requests: list[command_pb2.InvokeRequest] = []

    def play(request: command_pb2.InvokeRequest) -> command_pb2.InvokeResponse:
        requests.append(request)
        if isinstance(reply, JackfieldError):
            raise reply
        return command_pb2.InvokeResponse(reply=convert.message_to_proto(reply) if reply else None)

    kernel.answer(INVOKE, command_pb2.InvokeRequest, play)
    return requests


async def test_help_lists_what_the_user_may_use(kernel: FakeKernel) -> None:
    async with running(kernel):
        assert (await answer(kernel, "/help")).splitlines() == [
            "Commands:",
            "/help [command] - Lists the commands, or explains one",
            "/remind <when> <what> - Reminds you",
            "/status - Shows plugins and bots",
            "/whoami - Shows the ids of this bot, chat and sender",
            "/help <command> tells more.",
        ]


@pytest.mark.parametrize("name", ["remind", "/remind", "R"])
async def test_help_explains_one_command(kernel: FakeKernel, name: str) -> None:
    async with running(kernel):
        assert (await answer(kernel, f"/help {name}")).splitlines() == [
            "Reminds you",
            "Usage: /remind <when> <what>",
            "Also: /r",
            "Offered by reminders",
        ]
        assert "no command /rocket" in await answer(kernel, "/help rocket")


async def test_status_shows_what_is_not_in_order(kernel: FakeKernel) -> None:
    async with running(kernel):
        assert (await answer(kernel, "/status")).splitlines() == [
            "Plugins (2/4): echo, reminders",
            "  operations: PARKED (five crashes)",
            "  gone: STOPPED",
            "Bots (1/3): bot",
            "  second: FAILED (no token)",
            "  third: off",
        ]


async def test_whoami_shows_the_ids(kernel: FakeKernel) -> None:
    async with running(kernel):
        private = await answer(kernel, "/whoami")
        group = await answer(kernel, "/whoami", chat=Chat.group("a:1", "t"), sender=User(id="9"))
    assert private.splitlines() == [
        "Bot: bot (test)",
        "Chat: 7 (private)",
        "Sender: 7 (Ann)",
        "Lane: bot:private:7",
    ]
    assert group.splitlines() == [
        "Bot: bot (test)",
        "Chat: a:1 (group)",
        "Thread: t",
        "Sender: 9",
        "Lane: bot:group:a%3A1:t",
    ]


@pytest.mark.parametrize(
    "typed",
    [
        "/whoami",
        "  /WhoAmI  ",
        "/whoami@some_bot",
        "/whoami@some_bot and more",
        Message(Mention("1", "bot"), " /whoami"),
        Message(Quote("5"), Mention("1"), "  ", "/who", "ami"),
    ],
)
async def test_a_command_stands_behind_blanks_quotes_and_mentions(
    kernel: FakeKernel, typed: str | Message
) -> None:
    async with running(kernel):
        assert (await answer(kernel, typed)).startswith("Bot: bot")


@pytest.mark.parametrize(
    "typed", ["whoami", "see /whoami", "/", "/ whoami", "/@bot", Message(Image(Media(url="x")))]
)
async def test_anything_else_is_left_alone(kernel: FakeKernel, typed: str | Message) -> None:
    async with running(kernel):
        assert await answer(kernel, typed) == ""


async def test_the_prefix_is_configured(kernel: FakeKernel) -> None:
    async with running(kernel, prefix="!!"):
        assert (await answer(kernel, "!!whoami")).startswith("Bot: bot")
        assert await answer(kernel, "/whoami") == ""
        assert "!!help" in await answer(kernel, "!!help")


async def test_a_command_of_a_plugin_is_run_by_it(kernel: FakeKernel) -> None:
    requests = invoked(kernel, Message("at noon: ", Image(Media(platform_id="clock"))))
    async with running(kernel, language="zh"):
        delivered = await kernel.deliver(message("/r   noon 'feed the cat'  "))
        assert (await delivered.outcome).done
    assert [reply.message for reply in delivered.replies] == [
        Message("at noon: ", Image(Media(platform_id="clock")))
    ]
    (request,) = requests
    assert (request.name, request.args, request.locale) == ("remind", "noon 'feed the cat'", "zh")
    assert list(request.arg_list) == ["noon", "feed the cat"]
    assert request.event.id == delivered.proto.event.id


@pytest.mark.parametrize(
    ("args", "cut"),
    [
        ("", []),
        ("a  b", ["a", "b"]),
        ("don't stop", ["don't", "stop"]),
        ('"x # y" z', ["x # y", "z"]),
        ("a\\b", ["a\\b"]),
    ],
)
async def test_arguments_are_cut_at_blanks_and_quotes(kernel: FakeKernel, args: str, cut: list[str]) -> None:
    requests = invoked(kernel)
    async with running(kernel):
        await answer(kernel, f"/remind {args}")
    assert list(requests[0].arg_list) == cut


async def test_a_plugin_that_answers_by_itself_is_not_answered_for(kernel: FakeKernel) -> None:
    invoked(kernel)
    async with running(kernel):
        assert await answer(kernel, "/remind") == ""


async def test_a_command_runs_once_over_redeliveries(kernel: FakeKernel) -> None:
    requests = invoked(kernel, Message("done"))
    async with running(kernel):
        first = await kernel.deliver(message("/remind"))
        assert (await first.outcome).done
        again = await kernel.redeliver(first)
        assert (await again.outcome).done
    assert len(requests) == 1


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (InvalidArgument("When is missing."), "When is missing.\nUsage: /remind <when> <what>"),
        (Unavailable("gone"), "/remind is not available right now."),
        (GrantMissing("secret detail"), "/remind failed (GRANT_MISSING)."),
    ],
)
async def test_a_failure_is_told_without_its_inside(
    kernel: FakeKernel, error: JackfieldError, told: str
) -> None:
    invoked(kernel, error)
    async with running(kernel):
        assert await answer(kernel, "/remind") == told


async def test_an_unknown_command_is_answered_with_the_nearest(kernel: FakeKernel) -> None:
    async with running(kernel):
        assert await answer(kernel, "/remimd") == (
            "There is no command /remimd.\nDid you mean /remind?\n/help lists all."
        )
        assert await answer(kernel, "/zzz") == "There is no command /zzz.\n/help lists all."
        assert "no command /lost" in await answer(kernel, "/lost")


async def test_commands_for_administrators_are_theirs_alone(kernel: FakeKernel) -> None:
    requests = invoked(kernel, Message("bye"))
    async with running(kernel, admins=["bot:1", "other:7"]):
        assert await answer(kernel, "/shutdown") == "/shutdown is for administrators only."
        assert "shutdown" not in await answer(kernel, "/help")
        assert "Did you mean" not in await answer(kernel, "/shutdow")
        assert requests == []
        admin = User(id="1")
        assert await answer(kernel, "/shutdown", sender=admin) == "bye"
        assert "/shutdown - Stops everything" in await answer(kernel, "/help", sender=admin)
        assert "For administrators only" in await answer(kernel, "/help shutdown", sender=admin)


async def test_own_commands_cannot_be_replaced(kernel: FakeKernel) -> None:
    rogue = kernel.state.catalog.plugins.add(name="a-rogue", state="ACTIVE")
    commands = [{"name": "whoami"}, {"name": "spy", "aliases": ["help", "status"]}]
    rogue.manifest.CopyFrom(wellknown.struct_to_proto({"provides": {"commands": commands}}))
    requests = invoked(kernel)
    async with running(kernel):
        for own in ("/whoami", "/help", "/status"):
            assert await answer(kernel, own)
    assert requests == []


async def test_its_own_manifest_makes_no_second_commands(kernel: FakeKernel) -> None:
    manifest = yaml.safe_load((resources.files("jackfield_command") / "jackfield-plugin.yaml").read_text())
    own = kernel.state.catalog.plugins.add(name="command", state="ACTIVE")
    own.manifest.CopyFrom(wellknown.struct_to_proto({"provides": manifest["provides"]}))
    assert {one["name"] for one in manifest["provides"]["commands"]} == {one.name for one in OWN}
    async with running(kernel):
        assert "one name" not in await answer(kernel, "/status")
        assert (await answer(kernel, "/help")).count("/whoami") == 1


async def test_answers_in_chinese(kernel: FakeKernel) -> None:
    async with running(kernel, language="zh"):
        assert "提醒你" in await answer(kernel, "/help")
        assert (await answer(kernel, "/remimd")).startswith("没有命令 /remimd。")
        assert (await answer(kernel, "/whoami", rule_config={"language": "en"})).startswith("Bot:")


async def test_a_changed_configuration_holds_for_the_next_message(kernel: FakeKernel) -> None:
    async with running(kernel):
        assert (await answer(kernel, "/whoami")).startswith("Bot:")
        kernel.configure({"language": "zh"})
        assert (await answer(kernel, "/whoami")).startswith("机器人:")


async def test_several_prefixes(kernel: FakeKernel) -> None:
    async with running(kernel, prefixes=["!", "!!", "／"]):
        for typed in ("!whoami", "!!whoami", "／whoami"):
            assert (await answer(kernel, typed)).startswith("Bot: bot")
        assert await answer(kernel, "/whoami") == ""
        assert "!!help" in await answer(kernel, "!!help")


async def test_the_beginning_of_a_name_is_enough_when_only_one_begins_so(kernel: FakeKernel) -> None:
    requests = invoked(kernel, Message("done"))
    async with running(kernel):
        assert await answer(kernel, "/remi") == "done"
        assert "no command /re" in await answer(kernel, "/re")
        assert "no command /shut" in await answer(kernel, "/shut")
    assert [request.name for request in requests] == ["remind"]


async def test_an_unknown_command_is_passed_on_when_asked(kernel: FakeKernel) -> None:
    async with running(kernel, unknown="pass"):
        passed = await kernel.deliver(message("/unheard of"))
        outcome = await passed.outcome
        assert (outcome.done, outcome.stop, passed.replies) == (True, False, [])
        known = await kernel.deliver(message("/whoami"))
        assert (await known.outcome).stop


async def test_a_command_may_refuse_to_run_beside_an_answer(kernel: FakeKernel) -> None:
    manifest = {
        "provides": {"commands": [{"name": "model", "busy": "rejected"}, {"name": "halt", "bypass": True}]}
    }
    kernel.state.catalog.plugins.add(name="models", state="ACTIVE").manifest.CopyFrom(
        wellknown.struct_to_proto(manifest)
    )
    requests = invoked(kernel, Message("done"))

    async def told(text: str, busy: bool) -> str:
        delivered = await kernel.deliver(message(text), lane_busy=busy)
        assert (await delivered.outcome).done
        return delivered.replies[0].text

    async with running(kernel):
        assert (await told("/model", True)).startswith("/model has to wait")
        assert await told("/model", False) == "done"
        assert await told("/halt", True) == "done"
        assert await told("/remind", True) == "done"
    assert len(requests) == 3


async def test_of_two_commands_with_one_name_both_are_reached(kernel: FakeKernel) -> None:
    manifest = {"provides": {"commands": [{"name": "remind"}, {"name": "later", "aliases": ["r"]}]}}
    kernel.state.catalog.plugins.add(name="zebra", state="ACTIVE").manifest.CopyFrom(
        wellknown.struct_to_proto(manifest)
    )
    invoked(kernel, Message("done"))
    async with running(kernel):
        status = (await answer(kernel, "/status")).splitlines()
        assert "  remind: reminders:remind; the other: /zebra:remind" in [
            line.replace(" is ", ": ") for line in status
        ]
        assert any("/zebra:later" in line for line in status)
        for name, plugin in (("remind", "reminders"), ("zebra:remind", "zebra"), ("r", "reminders")):
            delivered = await kernel.deliver(message(f"/{name}"))
            outcome = await delivered.outcome
            (emitted,) = outcome.emits
            assert (emitted[0], emitted[1]["plugin"]) == ("command.invoked", plugin)


async def test_tiers(kernel: FakeKernel) -> None:
    invoked(kernel, Message("done"))
    async with running(kernel, user_commands=["status"]):
        assert "administrators only" in await answer(kernel, "/remind")
        assert (await answer(kernel, "/status")).startswith("Plugins")
        assert (await answer(kernel, "/whoami")).startswith("Bot")
        assert "remind" not in await answer(kernel, "/help")
        assert await answer(kernel, "/shutdown", rule_config={"tier": "admin"}) == "done"
        assert "remind" in await answer(kernel, "/help", rule_config={"tier": "admin"})


async def test_observers_never_see_arguments(kernel: FakeKernel) -> None:
    invoked(kernel, Message("done"))
    async with running(kernel):
        delivered = await kernel.deliver(message("/remind the secret"))
        (emitted,) = (await delivered.outcome).emits
    assert emitted == ("command.invoked", {"command": "remind", "plugin": "reminders"})
