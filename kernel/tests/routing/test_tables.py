"""Tables in force: order, chains, waiting, sources, restarts, explanations."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from jackfield.v1 import event_pb2, journal_pb2, router_pb2
from jackfield_kernel.errors import Refused
from jackfield_kernel.routing.decision import Decision, Wait
from jackfield_kernel.routing.errors import RuleInvalid
from jackfield_kernel.routing.tables import FILE, RouteTables

from .conftest import happened, rule, table, wrote

Chain = Callable[[event_pb2.Event], list[str]]


def people(name: str, *members: str) -> router_pb2.SenderSet:
    return router_pb2.SenderSet(name=name, members=members)


def going_on(rule_id: str, **fields: object) -> router_pb2.Rule:
    return rule(rule_id, **{"continue": True}, **fields)  # type: ignore[arg-type]


def test_rules_run_by_priority_then_specificity_then_place(tables: RouteTables, chain: Chain) -> None:
    tables.push(
        table(
            going_on("everything", event="*"),
            going_on("namespace", event="message.*"),
            going_on("exact", event="message.received"),
            going_on("exact-again", event="message.received"),
            going_on("first", event="*", priority=5),
            going_on("last", event="message.received", priority=-5),
        ),
        source="router",
    )
    assert chain(wrote("hi")) == ["first", "exact", "exact-again", "namespace", "everything", "last"]
    assert chain(happened("friend.added")) == ["first", "everything"]


def test_the_chain_ends_with_the_first_rule_that_never_goes_on(tables: RouteTables, chain: Chain) -> None:
    tables.push(
        table(
            going_on("a"),
            rule("b", on_error=router_pb2.ON_ERROR_NEXT),
            rule("off", disabled=True),
            rule("c", on_error=router_pb2.ON_ERROR_NOTIFY),
            rule("unreachable"),
        ),
        source="router",
    )
    assert chain(wrote("hi")) == ["a", "b", "c"]


def test_no_matching_rule_means_no_rules(tables: RouteTables, chain: Chain) -> None:
    tables.push(table(rule(event="group.*")), source="router")
    assert chain(wrote("hi")) == []


def test_a_decision_carries_its_record_made_once(tables: RouteTables) -> None:
    tables.push(table(rule("a")), source="router")
    first, second = tables.decide(wrote("hi")), tables.decide(wrote("there", chat="private"))
    assert isinstance(first, Decision)
    assert first is second
    record = journal_pb2.RoutedRecord.FromString(first.body)
    assert record.table_version == first.version == 1
    assert [one.id for one in record.rules] == ["a"]


def test_a_bot_without_a_table_waits(tables: RouteTables) -> None:
    tables.push(table(rule(), bot="other"), source="router")
    assert tables.decide(wrote("hi")) == Wait("no route table for bot b")
    assert tables.waiting_reasons() == ["no route table for bot b"]
    tables.push(table(rule()), source="router")
    assert tables.waiting_reasons() == []


def test_the_table_of_every_bot_serves_bots_without_their_own(tables: RouteTables, chain: Chain) -> None:
    tables.push(table(rule("any"), bot="*"), source="router")
    assert chain(wrote("hi")) == ["any"]
    tables.push(table(rule("own")), source="router")
    assert chain(wrote("hi")) == ["own"]
    tables.remove("b")
    tables.remove("b")
    assert chain(wrote("hi")) == ["any"]


def test_a_refused_push_leaves_the_last_good_table_in_force(tables: RouteTables, chain: Chain) -> None:
    tables.push(table(rule("good")), source="router")
    with pytest.raises(RuleInvalid):
        tables.push(table(rule("new"), rule("bad", event="*.x")), source="router")
    assert chain(wrote("hi")) == ["good"]
    good = tables.table("b")
    assert good is not None
    assert good.version == 1


def test_sender_sets_hold_ids_with_or_without_a_bot(tables: RouteTables, chain: Chain) -> None:
    tables.push_senders(people("friends", "u1", "b:u2", "other:u3"))
    tables.push(table(rule("in", match={"sender_sets": ["friends"]}), rule("rest")), source="router")
    answers = {sender: chain(wrote("hi", sender=sender)) for sender in ("u1", "u2", "u3", "")}
    assert answers == {"u1": ["in"], "u2": ["in"], "u3": ["rest"], "": ["rest"]}


def test_a_set_may_hold_everyone(tables: RouteTables, chain: Chain) -> None:
    tables.push_senders(people("all", "*"))
    tables.push(table(rule("in", match={"sender_sets": ["all"]}), rule("rest")), source="router")
    assert chain(wrote("hi", sender="anyone")) == ["in"]
    assert chain(wrote("hi", sender="")) == ["rest"]


def test_nobody_passes_for_another_by_an_id_of_their_choice(tables: RouteTables, chain: Chain) -> None:
    tables.push_senders(people("friends", "b:u2"))
    tables.push(table(rule("in", match={"sender_sets": ["friends"]}), rule("rest")), source="router")
    assert chain(wrote("hi", sender="u2")) == ["in"]
    assert chain(wrote("hi", sender="b:u2")) == ["rest"]
    tables.push_senders(people("friends", "b:b:u2"))
    assert chain(wrote("hi", sender="b:u2")) == ["in"]


def test_sets_hold_chats_as_well(tables: RouteTables, chain: Chain) -> None:
    tables.push_senders(people("rooms", "b:g1", "g2", "other:g3"))
    tables.push(
        table(
            rule("open", match={"chat_sets": ["rooms"]}), rule("closed", match={"not_chat_sets": ["rooms"]})
        ),
        source="router",
    )
    answers = {chat: chain(wrote("hi", chat_id=chat)) for chat in ("g1", "g2", "g3")}
    assert answers == {"g1": ["open"], "g2": ["open"], "g3": ["closed"]}


def test_the_chat_decides_where_the_senders_set_is_not_known_yet(tables: RouteTables, chain: Chain) -> None:
    match = {"not_sender_sets": ["never-pushed"], "not_chat_sets": ["rooms"]}
    tables.push_senders(people("rooms", "g1"))
    tables.push(table(rule("guard", match=match), rule("rest")), source="router")
    assert chain(wrote("hi", chat_id="g1")) == ["rest"]
    assert isinstance(tables.decide(wrote("hi", chat_id="g2")), Wait)


@pytest.mark.parametrize(
    ("mentions_bot", "chat", "fits"),
    [(False, "group", True), (True, "group", False), (False, "private", False)],
)
def test_a_rule_may_ask_that_the_bot_is_not_mentioned(
    tables: RouteTables, chain: Chain, mentions_bot: bool, chat: str, fits: bool
) -> None:
    condition = {"field": "mention", "operator": router_pb2.OPERATOR_EQUAL, "value": "false"}
    tables.push(table(rule(match={"conditions": [condition]})), source="router")
    assert chain(wrote("hi", mentions_bot=mentions_bot, chat=chat)) == (["r"] if fits else [])


def test_an_event_about_no_bot_waits_for_no_table(tables: RouteTables, chain: Chain) -> None:
    assert chain(wrote("hi", bot="")) == []
    assert isinstance(tables.decide(wrote("hi")), Wait)
    tables.push(table(rule("all"), bot="*"), source="router")
    assert chain(wrote("hi", bot="")) == ["all"]


def test_a_new_set_holds_for_the_next_event(tables: RouteTables, chain: Chain) -> None:
    tables.push_senders(people("blocked"))
    tables.push(table(rule(match={"not_sender_sets": ["blocked"]})), source="router")
    assert chain(wrote("hi")) == ["r"]
    tables.push_senders(people("blocked", "u1"))
    assert chain(wrote("hi")) == []
    assert chain(wrote("hi", sender="")) == ["r"]


def test_an_event_waits_for_a_set_that_was_never_pushed(tables: RouteTables, chain: Chain) -> None:
    tables.push(
        table(rule("gate", match={"sender_sets": ["friends"], "chat_types": ["group"]}), rule("rest")),
        source="router",
    )
    answer = tables.decide(wrote("hi"))
    assert isinstance(answer, Wait)
    assert "friends" in answer.reason
    assert tables.missing_sets() == tables.missing_sets("b") == ["friends"]
    assert tables.missing_sets("unknown") == []
    assert chain(wrote("hi", chat="private")) == ["rest"], "another condition fails: the set does not matter"
    assert chain(wrote("hi", sender="")) == ["rest"], "nobody is in no set"
    tables.push_senders(people("friends"))
    assert chain(wrote("hi")) == ["rest"]
    assert tables.missing_sets() == []


def test_a_set_matters_only_where_the_others_leave_it_open(tables: RouteTables, chain: Chain) -> None:
    tables.push_senders(people("friends", "u1"))
    tables.push(
        table(rule("in", match={"sender_sets": ["unknown", "friends"]}), rule("rest")), source="router"
    )
    assert chain(wrote("hi")) == ["in"]
    assert isinstance(tables.decide(wrote("hi", sender="u9")), Wait)
    tables.push(
        table(rule("in", match={"sender_sets": ["unknown"], "not_sender_sets": ["friends"]}), rule("rest")),
        source="router",
    )
    assert chain(wrote("hi")) == ["rest"]
    assert isinstance(tables.decide(wrote("hi", sender="u9")), Wait)


def test_a_rule_behind_the_end_of_the_chain_never_makes_an_event_wait(
    tables: RouteTables, chain: Chain
) -> None:
    tables.push(table(rule("a"), rule("b", match={"sender_sets": ["unknown"]})), source="router")
    assert chain(wrote("hi")) == ["a"]


def test_tables_of_the_file_are_pinned(tables: RouteTables, chain: Chain) -> None:
    tables.push(table(rule("pushed")), source="router")
    tables.push(table(rule("declared")), source=FILE)
    assert chain(wrote("hi")) == ["declared"]
    with pytest.raises(Refused) as caught:
        tables.push(table(rule("again")), source="router")
    assert caught.value.reason == "CONFIG_PINNED"
    tables.push(table(rule("edited")), source=FILE)
    assert chain(wrote("hi")) == ["edited"]
    assert [(one.table.bot, one.source) for one in tables.tables()] == [("b", FILE)]


def test_everything_pushed_survives_a_restart_and_the_count_goes_on() -> None:
    kept: dict[tuple[str, str], bytes] = {}
    before = RouteTables(lambda kind, name, value: kept.__setitem__((kind, name), value))
    before.push(table(rule("pushed", match={"sender_sets": ["friends"]})), source="router")
    before.push(table(rule("any"), bot="*"), source="router")
    before.push(table(rule("declared"), bot="filed"), source=FILE)
    before.push_senders(people("friends", "u1"))
    before.push(table(rule("gone"), bot="gone"), source="router")
    before.remove("gone")
    assert kept.pop(("routes", "gone")) == b""

    after = RouteTables()
    for (kind, name), value in kept.items():
        after.load(kind, name, value)
    assert after.decide(wrote("hi")) == before.decide(wrote("hi"))
    answer = after.decide(wrote("hi", bot="filed"))
    assert isinstance(answer, Decision)
    assert [one.id for one in answer.rules] == ["any"], "the file is read anew"
    after.push(table(rule("next")), source="router")
    assert (answer := after.table("b")) is not None
    assert answer.version > 3


def test_an_explanation_names_the_first_failed_condition_of_every_rule(tables: RouteTables) -> None:
    tables.push(
        table(
            rule("off", disabled=True, priority=9),
            rule("other", event="group.*", priority=8),
            rule("chat", match={"chat_types": ["private"], "regex": "x"}, priority=7),
            rule("prefix", match={"prefixes": ["/"]}, priority=6),
            going_on("first", priority=5),
            rule("second", priority=4),
            rule("third", priority=3),
        ),
        source="router",
    )
    answer = tables.explain(wrote("hello"))
    assert list(answer.chain) == ["first", "second"]
    reasons = {trace.rule.id: trace.reason for trace in answer.rules}
    assert reasons["off"].startswith("disabled")
    assert reasons["other"] == "event: 'message.received' does not fit group.*"
    assert reasons["chat"] == "chat_types: the chat is group, expected private"
    assert reasons["prefix"].startswith("prefixes: the text is 'hello'")
    assert reasons["first"] == reasons["second"] == ""
    assert reasons["third"] == "it would match, but rule second ends the chain before it"
    assert [trace.rule.id for trace in answer.rules if trace.matches] == ["first", "second", "third"]


def test_an_explanation_says_what_an_event_would_wait_for(tables: RouteTables) -> None:
    tables.push(table(rule(match={"sender_sets": ["friends"]})), source="router")
    answer = tables.explain(wrote("hi"))
    assert list(answer.chain) == []
    assert "friends" in answer.rules[0].reason
    with pytest.raises(Refused) as caught:
        tables.explain(wrote("hi", bot="unknown"))
    assert caught.value.reason == "NOT_FOUND"


def test_what_is_remembered_stays_bounded(tables: RouteTables, chain: Chain) -> None:
    tables.push(table(rule("a")), source="router")
    for number in range(5_000):
        assert chain(happened(f"platform.blue.n{number}")) == ["a"]
    compiled = tables.table("b")
    assert compiled is not None
    assert len(compiled._candidates) <= 4_096
