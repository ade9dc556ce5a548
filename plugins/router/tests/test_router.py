"""Rules in, tables out."""

from __future__ import annotations

import pytest
from google.protobuf.struct_pb2 import Struct
from jackfield.v1 import frame_pb2, kernel_pb2, router_pb2
from jackfield_sdk import InvalidArgument, JackfieldError, NotFound, UnknownBot
from jackfield_sdk.testing import fake_state

from .conftest import DEFAULTS, HANDLER, House


def rule(
    rule_id: str = "", event: str = "message.received", handler: str = "echo", **fields: object
) -> router_pb2.Rule:
    return router_pb2.Rule(id=rule_id, event=event, handler=handler, **fields)  # type: ignore[arg-type]


async def test_every_bot_gets_the_default_rules(stopped: House) -> None:
    stopped.bots("web", "onebot")
    async with stopped.run():
        assert stopped.ids("web") == stopped.ids("onebot") == ["commands", "echo"]
    commands, echo = stopped.kernel.state.routes["web"].rules
    assert (commands.priority, list(commands.match.prefixes), commands.handler, commands.bypass) == (
        100,
        ["/"],
        "command",
        True,
    )
    assert (echo.priority, echo.event, echo.handler, echo.source) == (
        0,
        "message.received",
        "echo",
        "default",
    )


async def test_the_agent_answers_the_web_chat_where_it_is_installed(stopped: House) -> None:
    stopped.bots("web", "onebot")
    stopped.plugin("agent", HANDLER)
    async with stopped.run():
        assert stopped.ids("web") == ["commands", "agent", "agent-buttons", "jobs", "echo"]
        assert stopped.ids("onebot") == ["commands", "jobs", "echo"]
        await stopped.remove("agent")
        assert stopped.ids("web") == ["commands", "agent-buttons", "jobs", "echo"]


async def test_default_rules_of_missing_handlers_are_left_out_until_they_are_installed(
    stopped: House,
) -> None:
    stopped.uninstall("command")
    async with stopped.run():
        assert stopped.ids() == ["echo"]
        stopped.plugin("command", HANDLER)
        await stopped.tell()
        await stopped.pushed("web", "commands", "echo")


async def test_default_rules_of_a_handler_that_is_switched_off_make_way(house: House) -> None:
    (command,) = [plugin for plugin in house.kernel.state.catalog.plugins if plugin.name == "command"]
    command.state, command.off = "STOPPED", True
    await house.tell()
    await house.pushed("web", "echo")
    command.off = False
    await house.tell()
    await house.pushed("web", "commands", "echo")


async def test_a_new_bot_gets_its_table(house: House) -> None:
    house.bots("web", "second")
    await house.tell()
    await house.pushed("second", "commands", "echo")


async def test_added_rules_stand_before_the_defaults_and_keep_them(house: House) -> None:
    added = await house.add(rule("mine", event="group.member_joined"))
    assert (added.id, added.source) == ("mine", "admin")
    await house.add(rule("second"))
    assert house.ids() == ["mine", "second", "commands", "echo"]
    assert await house.list() == {
        "web": [("mine", "admin"), ("second", "admin"), ("commands", "default"), ("echo", "default")]
    }


async def test_a_rule_without_an_id_gets_one(house: House) -> None:
    assert (await house.add(rule())).id == "echo-1"
    assert (await house.add(rule())).id == "echo-2"


async def test_a_rule_with_a_known_id_takes_its_place(house: House) -> None:
    await house.add(rule("a"))
    await house.add(rule("b"))
    await house.add(rule("a", priority=7))
    await house.add(rule("echo", disabled=True))
    assert house.ids() == ["a", "b", "echo", "commands"]
    table = house.kernel.state.routes["web"]
    assert (table.rules[0].priority, table.rules[2].disabled) == (7, True)


async def test_removed_rules_are_gone_also_defaults(house: House) -> None:
    await house.add(rule("mine"))
    await house.remove("mine")
    await house.remove("echo")
    assert house.ids() == ["commands"]
    await house.add(rule("echo"))
    assert house.ids() == ["echo", "commands"]
    with pytest.raises(NotFound, match="no rule 'nothing'") as caught:
        await house.remove("nothing")
    assert "echo, commands" in caught.value.remedy


async def test_rules_survive_a_restart_of_the_plugin(stopped: House) -> None:
    async with stopped.run():
        for name in ("c", "a", "b"):
            await stopped.add(rule(name))
        await stopped.remove("a")
        await stopped.remove("commands")
    stopped.kernel.state.routes.clear()
    async with stopped.run():
        assert stopped.ids() == ["c", "b", "echo"]
        await stopped.add(rule("d"))
        assert stopped.ids() == ["c", "b", "d", "echo"]


async def test_rules_of_an_uninstalled_handler_stay(house: House) -> None:
    house.plugin("poet", HANDLER)
    await house.add(rule("verse", handler="poet"))
    house.uninstall("poet")
    house.uninstall("echo")
    await house.tell()
    await house.pushed("web", "verse", "commands")


async def test_a_handler_gets_no_event_that_it_does_not_take(house: House) -> None:
    provides = {"services": ["jackfield.v1.Handler"], "handles": ["message.received"]}
    house.plugin("asker", {"provides": provides})
    await house.tell()
    for event in ("message.*", "*", "group.member_joined"):
        with pytest.raises(InvalidArgument, match="asker takes no event") as caught:
            await house.add(rule("x", event=event, handler="asker"))
        assert caught.value.metadata == {"rule": "x", "field": "event", "expected": "message.received"}
    await house.add(rule("x", handler="asker"))


@pytest.mark.parametrize("handler", ["nobody", "storage"])
async def test_a_handler_has_to_be_installed_and_to_handle(house: House, handler: str) -> None:
    with pytest.raises(InvalidArgument, match="no installed handler") as caught:
        await house.add(rule("x", handler=handler))
    assert "command, echo" in caught.value.remedy
    assert caught.value.metadata["field"] == "handler"
    assert house.ids() == ["commands", "echo"]


@pytest.mark.parametrize(
    "event",
    ["*", "message.*", "group.member_joined", "platform.blue.poked", "platform.blue.*", "platform.*",
     "platform.specific", "jackfield.dead_letter", "jackfield.*", "scheduler.fired", "scheduler.*"],
)  # fmt: skip
async def test_events_that_a_bot_may_have(house: House, event: str) -> None:
    house.plugin("scheduler", {"provides": {"event_types": {"fired": {"schema": {}}}}})
    await house.add(rule("x", event=event))
    assert house.ids()[0] == "x"


@pytest.mark.parametrize(
    "event",
    ["message.edited", "friend.*", "platform.green.poked", "platform.green.*", "platform.blue.x", "m*", ""],
)  # fmt: skip
async def test_events_that_a_bot_never_has_are_refused_with_the_valid_ones(house: House, event: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        await house.add(rule("x", event=event))
    for valid in ("message.received", "message.*", "platform.blue.poked", "platform.blue.*", "*"):
        assert valid in caught.value.remedy
    assert house.ids() == ["commands", "echo"]


async def test_rules_of_an_unknown_bot_are_refused(house: House) -> None:
    with pytest.raises(UnknownBot, match="no bot 'nobody'"):
        await house.add(rule("x"), bot="nobody")
    with pytest.raises(UnknownBot):
        await house.list("nobody")


async def test_a_temporary_rule_ends_when_it_is_not_renewed(house: House) -> None:
    await house.add(rule("dev"), ttl=10)
    assert house.ids() == ["dev", "commands", "echo"]
    house.clock.now += 8
    await house.add(rule("dev"), ttl=10)
    house.clock.now += 8
    await house.add(rule("other"))
    assert await house.list() == {
        "web": [("dev", "temporary"), ("other", "admin"), ("commands", "default"), ("echo", "default")]
    }
    house.clock.now += 3
    await house.add(rule("another"))
    await house.pushed("web", "other", "another", "commands", "echo")


async def test_a_temporary_rule_hides_the_one_of_its_id_and_leaves_nothing_behind(stopped: House) -> None:
    async with stopped.run():
        await stopped.add(rule("echo", priority=5), ttl=60)
        assert stopped.ids() == ["echo", "commands"]
        await stopped.remove("echo")
        assert stopped.ids() == ["commands", "echo"]
        await stopped.add(rule("dev"), ttl=60)
    async with stopped.run():
        assert stopped.ids() == ["commands", "echo"]


async def test_what_the_kernel_refuses_is_not_kept(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = fake_state.METHODS["PushRoutes"]

    def refuse(state: fake_state.FakeState, plugin: str, request: kernel_pb2.PushRoutesRequest) -> object:
        if any(one.match.regex == "(" for one in request.table.rules):
            raise InvalidArgument("rule bad, match.regex: '(' does not compile", metadata={"rule": "bad"})
        return plain[1](state, plugin, request)

    monkeypatch.setitem(fake_state.METHODS, "PushRoutes", (plain[0], refuse))
    with pytest.raises(InvalidArgument, match="does not compile") as caught:
        await house.add(rule("bad", match=router_pb2.Match(regex="(")))
    assert caught.value.metadata["rule"] == "bad"
    await house.add(rule("good"))
    assert house.ids() == ["good", "commands", "echo"]
    assert "bad" not in str(house.kernel.state.kv)


async def test_bots_whose_rules_stand_in_the_file_are_left_alone(
    stopped: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(state: fake_state.FakeState, plugin: str, request: kernel_pb2.PushRoutesRequest) -> object:
        raise JackfieldError("the rules of web stand in the file", reason="CONFIG_PINNED", code=9)

    monkeypatch.setitem(fake_state.METHODS, "PushRoutes", (kernel_pb2.PushRoutesRequest, refuse))
    async with stopped.run() as running:
        assert running.session.report.readiness == frame_pb2.READINESS_READY
        with pytest.raises(JackfieldError) as caught:
            await stopped.add(rule("x"))
        assert caught.value.reason == "CONFIG_PINNED"
        assert await stopped.list() == {"web": [("commands", "default"), ("echo", "default")]}


async def test_wrong_default_rules_are_reported_and_mended_by_configuration(stopped: House) -> None:
    wrong = {"default_rules": [{"id": "x", "colour": "blue", "bots": ["web"]}]}
    async with stopped.run(wrong, wait_ready=False) as running:
        await running.session.attached.wait()
        assert await stopped.list() == {"web": []}
        report = running.session.report
        assert report.readiness == frame_pb2.READINESS_NOT_READY
        assert "default_rules[0]" in report.reason.message
        stopped.kernel.configure({"default_rules": DEFAULTS})
        await stopped.tell()
        await stopped.pushed("web", "commands", "echo")


async def test_tables_are_pushed_again_to_a_kernel_that_was_restarted(house: House) -> None:
    await house.add(rule("mine"))
    await house.kernel.restart()
    house.kernel.state.routes.clear()
    await house.running.attached_again(2)
    await house.tell()
    await house.pushed("web", "mine", "commands", "echo")


async def test_a_rule_keeps_its_configuration(house: House) -> None:
    config = Struct()
    config.update({"depth": 3})
    await house.add(rule("mine", config=config))
    assert house.kernel.state.routes["web"].rules[0].config["depth"] == 3
