"""Every verb: what it asks the kernel, what it prints for people and for programs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from google.protobuf import json_format
from google.protobuf.timestamp_pb2 import Timestamp
from jackfield.v1 import (
    admin_pb2,
    entity_pb2,
    error_pb2,
    event_pb2,
    frame_pb2,
    journal_pb2,
    message_pb2,
    router_pb2,
)

from .conftest import Shell

EVIL = "hi\x1b[2J\u202e\nthere"


def plugin(state: str = "ACTIVE", **more: object) -> admin_pb2.PluginStatus:
    return admin_pb2.PluginStatus(name="echo", version="0.1.0", kind="handler", state=state, **more)  # type: ignore[arg-type]


def parked() -> admin_pb2.PluginStatus:
    reason = error_pb2.Error(reason="PLUGIN_EXITED", message="It ended with code 3.", remedy="Read its log.")
    return plugin("PARKED", reason=reason)


def status() -> admin_pb2.Status:
    return admin_pb2.Status(
        kernel_version="0.1.0",
        pid=77,
        data_dir="/d",
        plugins=[parked()],
        bots=[
            admin_pb2.BotStatus(name="web", adapter="webby", enabled=True, state=frame_pb2.BOT_STATE_ACTIVE)
        ],
        bus=admin_pb2.BusStatus(accepted=5, dead=2),
        problems=[error_pb2.Error(reason="LOST_TAIL", message="It lost something.", remedy="Look.")],
        settled=True,
    )


def test_status_names_what_runs_and_what_is_wrong(shell: Shell) -> None:
    shell.admin.answers["GetStatus"] = admin_pb2.GetStatusResponse(status=status())
    shown = shell("status")
    assert shown.code == 0
    for part in ("pid 77", "echo", "PARKED", "It ended with code 3.", "web", "2 dead letters", "Fix: Look."):
        assert part in shown.out
    found = json.loads(shell("status", "--json").out)
    assert found["plugins"][0]["reason"]["reason"] == "PLUGIN_EXITED"
    assert found["bus"]["unrouted"] == "0"


def test_status_names_what_nobody_needs_in_a_line_each(shell: Shell) -> None:
    found = status()
    for name, reason in (("tele", "NO_BOTS"), ("cord", "NO_BOTS"), ("brain", "NOT_CONFIGURED")):
        found.plugins.add(name=name, state="STOPPED", reason=error_pb2.Error(reason=reason, message="why"))
    shell.admin.answers["GetStatus"] = admin_pb2.GetStatusResponse(status=found)
    lines = shell("status").out.splitlines()
    assert "Without a bot: tele, cord" in lines
    assert "Not configured: brain" in lines
    assert not [line for line in lines if line.startswith("tele")]


def test_without_a_kernel_it_says_how_to_start_one(alone: Shell) -> None:
    shown = alone("status")
    assert shown.code == 3
    assert f"No kernel runs on {alone.data}." in shown.err
    assert "jackfield run" in shown.err


def test_a_refusal_keeps_the_words_and_the_remedy_of_the_kernel(shell: Shell) -> None:
    shell.admin.answers["GetPlugin"] = error_pb2.Error(
        reason="NOT_FOUND", message="no plugin x", remedy="List them."
    )
    shown = shell("plugin", "show", "x")
    assert (shown.code, shown.out) == (1, "")
    assert shown.err == "Error: no plugin x [NOT_FOUND]\n  Fix: List them.\n"


def test_plugin_list_and_show(shell: Shell) -> None:
    shell.admin.answers["ListPlugins"] = admin_pb2.ListPluginsResponse(plugins=[parked()])
    shell.admin.answers["GetPlugin"] = admin_pb2.GetPluginResponse(
        plugin=parked(), grants=["reply"], requested_grants=["reply", "network"], last_lines=[EVIL]
    )
    assert "PARKED" in shell("plugin", "list").out
    shown = shell("plugin", "show", "echo").out
    assert "network" in shown
    assert "hi\\u202e" in shown
    assert "\x1b" not in shown


def test_trust_asks_and_revoke_does_not(shell: Shell, answered: Callable[[bool], None]) -> None:
    asked: list[admin_pb2.TrustPluginRequest] = []

    def trust(request: admin_pb2.TrustPluginRequest) -> admin_pb2.TrustPluginResponse:
        asked.append(request)
        return admin_pb2.TrustPluginResponse(plugin=plugin("STARTING"))

    shell.admin.answers["TrustPlugin"] = trust
    answered(False)
    assert shell("plugin", "trust", "echo").code != 0
    assert not asked
    answered(True)
    assert "echo is STARTING." in shell("plugin", "trust", "echo").out
    assert json.loads(shell("plugin", "trust", "echo", "--revoke", "--json").out)["state"] == "STARTING"
    assert [request.revoke for request in asked] == [False, True]


def test_enable_shows_the_grants_and_asks(shell: Shell, answered: Callable[[bool], None]) -> None:
    def enable(request: admin_pb2.EnablePluginRequest) -> admin_pb2.EnablePluginResponse:
        if request.approve:
            return admin_pb2.EnablePluginResponse(plugin=plugin("STARTING"))
        return admin_pb2.EnablePluginResponse(plugin=plugin("STOPPED"), requested_grants=["send"])

    shell.admin.answers["EnablePlugin"] = enable
    answered(False)
    shown = shell("plugin", "enable", "echo")
    assert shown.code == 130
    assert "write to any chat of any bot" in shown.out
    assert not any(request.approve for request in shell.admin.requests)  # type: ignore[attr-defined]
    answered(True)
    assert "echo is STARTING." in shell("plugin", "enable", "echo").out
    assert "echo is STARTING." in shell("plugin", "enable", "echo", "--yes").out


def test_grants_are_replaced_by_those_in_force_with_the_change(shell: Shell) -> None:
    shell.admin.answers["GetPlugin"] = admin_pb2.GetPluginResponse(
        grants=["reply", "kv"], requested_grants=["reply"]
    )
    shell.admin.answers["SetGrants"] = lambda request: admin_pb2.SetGrantsResponse(grants=request.grants)
    shown = shell("plugin", "grants", "echo", "--remove", "kv", "--add", "send", "--json")
    assert json.loads(shown.out)["grants"] == ["reply", "send"]
    assert "answer in the chat" in shell("plugin", "grants", "echo").out


def test_install_takes_a_folder_by_its_absolute_path(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "hello").mkdir()
    monkeypatch.chdir(tmp_path)
    shell.admin.answers["InstallPlugin"] = admin_pb2.InstallPluginResponse(plugin=plugin("STOPPED"))
    assert "jackfield plugin enable echo" in shell("plugin", "install", "hello").out
    assert shell.admin.requests[-1] == admin_pb2.InstallPluginRequest(path=str(tmp_path / "hello"))
    assert shell("plugin", "install", "missing").code == 2


def test_logs_follow_as_lines_or_json_lines(shell: Shell) -> None:
    shell.admin.answers["TailLogs"] = [admin_pb2.TailLogsResponse(lines=["one", "two"])]
    assert shell("plugin", "logs", "echo", "-n", "2").out == "one\ntwo\n"
    assert json.loads(shell("plugin", "logs", "echo", "--json").out) == {"lines": ["one", "two"]}
    assert shell.admin.requests[0] == admin_pb2.TailLogsRequest(name="echo", lines=2)


@pytest.mark.parametrize(
    "verb", [("plugin", "remove", "echo"), ("bot", "remove", "b"), ("dead", "discard", "d")]
)
def test_what_cannot_be_undone_is_asked_first(
    shell: Shell, answered: Callable[[bool], None], verb: tuple[str, ...]
) -> None:
    shell.admin.answers |= {
        "RemovePlugin": admin_pb2.RemovePluginResponse(),
        "RemoveBot": admin_pb2.RemoveBotResponse(),
        "DiscardDeadLetters": admin_pb2.DiscardDeadLettersResponse(discarded=1),
    }
    answered(False)
    assert shell(*verb).code != 0
    assert shell.admin.requests == []
    assert shell(*verb, "--yes").code == 0
    assert len(shell.admin.requests) == 1


def test_bot_add_reads_values_as_yaml_and_files(shell: Shell, tmp_path: Path) -> None:
    shell.admin.answers["AddBot"] = admin_pb2.AddBotResponse(bot=admin_pb2.BotStatus(name="b", enabled=True))
    secret = tmp_path / "token"
    secret.write_text("s3cret\n")
    values = ["port=8080", "tls=true", f"token=@{secret}", "hooks.path=/x", "day=2024-01-01", "ids=[1, 2]"]
    flags = [part for value in values for part in ("--set", value)]
    assert shell("bot", "add", "b", "--adapter", "webby", *flags).code == 0
    config = shell.admin.requests[-1].config  # type: ignore[attr-defined]
    assert (config["port"], config["tls"], config["token"], config["day"]) == (
        8080,
        True,
        "s3cret",
        "2024-01-01",
    )
    assert (config["hooks"]["path"], list(config["ids"])) == ("/x", [1, 2])


@pytest.mark.parametrize("value", ["novalue", "a.=1", "=1", "a=@/not/there"])
def test_bot_add_refuses_what_is_no_setting(shell: Shell, value: str) -> None:
    assert shell("bot", "add", "b", "--adapter", "webby", "--set", value).code == 2
    assert shell.admin.requests == []


def test_bot_verbs(shell: Shell) -> None:
    bot = admin_pb2.BotStatus(name="web", adapter="webby", platform="web", enabled=False)
    shell.admin.answers |= {
        "ListBots": admin_pb2.ListBotsResponse(bots=[bot]),
        "GetBot": admin_pb2.GetBotResponse(bot=bot),
        "SetBotEnabled": admin_pb2.SetBotEnabledResponse(bot=bot),
    }
    assert "STOPPED" in shell("bot", "list").out
    assert "webby (web)" in shell("bot", "show", "web").out
    assert shell("bot", "enable", "web").out == "web is STOPPED.\n"
    assert shell.admin.requests[-1] == admin_pb2.SetBotEnabledRequest(name="web", enabled=True)
    assert json.loads(shell("bot", "disable", "web", "--json").out)["enabled"] is False


def rule() -> router_pb2.Rule:
    match = router_pb2.Match(prefixes=["!"], mention=True, regex="x+")
    return router_pb2.Rule(
        id="r1", event="message.*", handler="echo", match=match, source="file", bypass=True
    )


def test_route_list_says_conditions_in_words(shell: Shell) -> None:
    table = router_pb2.RouteTable(bot="web", rules=[rule()])
    shell.admin.answers["ListRoutes"] = admin_pb2.ListRoutesResponse(tables=[table])
    shown = shell("route", "list").out
    assert "begins with !; mentions the bot; matches /x+/" in shown
    assert "bypass" in shown
    assert json.loads(shell("route", "list", "--json").out)["tables"][0]["rules"][0]["id"] == "r1"


def test_route_add_builds_the_rule_and_options_win_over_the_file(shell: Shell, tmp_path: Path) -> None:
    shell.admin.answers["AddRoute"] = admin_pb2.AddRouteResponse(rule=rule())
    assert shell("route", "add", "--bot", "web", "--handler", "echo", "--prefix", "!", "--continue").code == 0
    sent = shell.admin.requests[-1].add  # type: ignore[attr-defined]
    expected = router_pb2.Rule(
        event="message.received", handler="echo", match=router_pb2.Match(prefixes=["!"])
    )
    setattr(expected, "continue", True)
    assert (sent.bot, sent.rule) == ("web", expected)
    file = tmp_path / "rule.json"
    file.write_text('{"handler": "other", "event": "*", "priority": 4}')
    assert shell("route", "add", "--bot", "web", "--file", str(file), "--priority", "9").code == 0
    sent = shell.admin.requests[-1].add.rule  # type: ignore[attr-defined]
    assert (sent.handler, sent.event, sent.priority) == ("other", "*", 9)
    assert shell("route", "add", "--bot", "web").code == 2


def test_route_add_takes_configuration_timeout_and_busy_mode(shell: Shell) -> None:
    shell.admin.answers["AddRoute"] = admin_pb2.AddRouteResponse(rule=rule())
    options = (
        "--set",
        "approval=always",
        "--set",
        "tools=[a, b]",
        "--timeout",
        "1800",
        "--busy",
        "interrupt",
    )
    assert shell("route", "add", "--bot", "web", "--handler", "agent", *options).code == 0
    sent = shell.admin.requests[-1].add.rule  # type: ignore[attr-defined]
    assert json_format.MessageToDict(sent.config) == {"approval": "always", "tools": ["a", "b"]}
    assert (sent.timeout.seconds, sent.busy.mode) == (1800, router_pb2.BUSY_MODE_INTERRUPT)
    assert shell("route", "add", "--bot", "web", "--handler", "agent", "--busy", "nap").code == 2


def test_route_test_takes_a_text_or_an_event(shell: Shell, tmp_path: Path) -> None:
    traces = [admin_pb2.RuleTrace(rule=rule(), reason="prefixes")]
    shell.admin.answers["TestRoute"] = admin_pb2.TestRouteResponse(rules=traces, chain=["r1", "r2"])
    shown = shell("route", "test", "--bot", "web", "--text", "!hello", "--group")
    assert "prefixes" in shown.out
    assert "r1 → r2" in shown.out
    event = shell.admin.requests[-1].event  # type: ignore[attr-defined]
    assert (event.bot, event.type, event.chat.type) == ("web", "message.received", entity_pb2.CHAT_TYPE_GROUP)
    assert event.message_received.message.segments[0].text.text == "!hello"
    file = tmp_path / "event.json"
    file.write_text('{"id": "e", "type": "friend.added", "bot": "b2", "friend_added": {}}')
    assert shell("route", "test", str(file)).code == 0
    assert shell.admin.requests[-1].event.bot == "b2"  # type: ignore[attr-defined]
    file.write_text('{"nonsense": 1}')
    assert shell("route", "test", str(file)).code == 2
    assert shell("route", "test", "--text", "x").code == 2
    assert shell("route", "test").code == 2


def event() -> event_pb2.Event:
    found = event_pb2.Event(id="e-1", type="message.received", bot="web", platform="web")
    found.sender.id = "alice"
    found.chat.CopyFrom(entity_pb2.Chat(type=entity_pb2.CHAT_TYPE_PRIVATE, id="alice"))
    segments = found.message_received.message.segments
    segments.append(message_pb2.Segment(text=message_pb2.Text(text=EVIL)))
    segments.append(message_pb2.Segment(image=message_pb2.Image()))
    return found


def story() -> admin_pb2.GetEventResponse:
    call = journal_pb2.CallRecord(
        key="~1", method="/jackfield.v1.Adapter/SendMessage", provider="webby", duration_micros=2500
    )
    failed = error_pb2.Error(
        reason="HANDLER_FAILED", message="KeyError: x", metadata={"traceback": "line 1\nline 2"}
    )
    return admin_pb2.GetEventResponse(
        accepted=journal_pb2.AcceptedRecord(
            event=event(), plugin="webby", time=Timestamp(seconds=1_700_000_000)
        ),
        records=[
            admin_pb2.StoryRecord(routed=journal_pb2.RoutedRecord(rules=[rule()])),
            admin_pb2.StoryRecord(call=call),
            admin_pb2.StoryRecord(
                outcome=journal_pb2.OutcomeRecord(
                    state=journal_pb2.DELIVERY_STATE_DEAD, error=failed, emitted=["e-2"]
                )
            ),
        ],
    )


def test_an_event_tells_its_whole_story_without_touching_the_terminal(shell: Shell) -> None:
    shell.admin.answers["GetEvent"] = story()
    shown = shell("event", "show", "e-1").out
    for part in (
        "private alice",
        "hi\\u202e",
        "[image]",
        "rule    r1 → echo (bypass)",
        "SendMessage at webby: ok, 2 ms",
        "dead letter",
        "by echo: KeyError: x [HANDLER_FAILED]",
        "line 2",
        "emitted e-2",
    ):
        assert part in shown
    assert "\x1b" not in shown
    assert json.loads(shell("event", "show", "e-1", "--json").out)["accepted"]["event"]["id"] == "e-1"


def test_event_list_pages_and_tail_streams(shell: Shell) -> None:
    summary = admin_pb2.EventSummary(id="e-1", type="message.received", bot="web", text=EVIL)
    shell.admin.answers["ListEvents"] = admin_pb2.ListEventsResponse(events=[summary], next=41)
    shell.admin.answers["TailEvents"] = [admin_pb2.TailEventsResponse(event=summary, skipped=3)]
    shown = shell("event", "list", "--bot", "web", "--type", "message.*", "-n", "1").out
    assert "hi\\u202e\n" not in shown
    assert "--before 41" in shown
    assert shell.admin.requests[-1] == admin_pb2.ListEventsRequest(limit=1, bot="web", type="message.*")
    tailed = shell("event", "tail")
    assert tailed.out.count("\n") == 1
    assert "3 events left out" in tailed.err
    assert json.loads(shell("event", "tail", "--json").out)["event"]["id"] == "e-1"


def test_dead_letters(shell: Shell) -> None:
    error = error_pb2.Error(reason="HANDLER_FAILED", message="boom", metadata={"traceback": "Traceback!"})
    letter = admin_pb2.DeadLetter(delivery_id="e-1.0", handler="echo", error=error, attempts=5)
    shell.admin.answers |= {
        "ListDeadLetters": admin_pb2.ListDeadLettersResponse(dead_letters=[letter]),
        "GetEvent": story(),
        "ReplayDeadLetters": admin_pb2.ReplayDeadLettersResponse(replayed=1),
    }
    assert "boom" in shell("dead", "list").out
    assert "Traceback!" in shell("dead", "show", "e-1.0").out
    assert shell("dead", "show", "other").code == 1
    assert shell("dead", "replay", "e-1.0").out == "Replayed 1.\n"
    assert shell("dead", "replay").code == 2
    assert shell("dead", "replay", "e-1.0", "--all").code == 2


def test_config_check_fails_when_something_is_wrong(shell: Shell) -> None:
    value = admin_pb2.ConfigValue(key="log.level", value='"info"', origin="file x.yaml")
    answer = admin_pb2.CheckConfigResponse(values=[value])
    shell.admin.answers["CheckConfig"] = answer
    assert shell("config", "check").code == 0
    answer.problems.add(message="log.levl is unknown", remedy="Did you mean log.level?")
    shown = shell("config", "check")
    assert shown.code == 1
    assert "Did you mean log.level?" in shown.out


def test_send(shell: Shell) -> None:
    shell.admin.answers["SendMessage"] = admin_pb2.AdminSendMessageResponse(message_id="m1")
    assert shell("send", "web:alice", "hello you").out == "Sent, message m1.\n"
    sent = shell.admin.requests[-1]
    assert sent.message.segments[0].text.text == "hello you"  # type: ignore[attr-defined]
    assert shell("send", "web", "hello").code == 2


def test_stop_returns_when_the_kernel_has_ended(shell: Shell) -> None:
    shell.admin.answers["Shutdown"] = admin_pb2.ShutdownResponse()
    assert shell("stop").out == "Stopped.\n"
