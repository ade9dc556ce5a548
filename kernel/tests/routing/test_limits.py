"""What a table may not say, and how the refusal names it."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration
from jackfield.v1 import router_pb2
from jackfield_kernel.routing.errors import RuleInvalid
from jackfield_kernel.routing.tables import RouteTables

from .conftest import condition, rule, table


@pytest.mark.parametrize(
    ("fields", "field", "expected"),
    [
        ({"rule_id": "a b"}, "id", "1-64 characters"),
        ({"rule_id": "x" * 65}, "id", "1-64 characters"),
        ({"event": "mess*"}, "event", r"message\.\*"),
        ({"handler": ""}, "handler", "plugin"),
        ({"timeout": Duration(seconds=-1)}, "timeout", "more than 0 s"),
        ({"on_error": 99}, "on_error", "ON_ERROR_STOP"),
        ({"busy": router_pb2.Busy(mode=99)}, "busy.mode", "BUSY_MODE_QUEUE"),  # type: ignore[arg-type]
        ({"busy": router_pb2.Busy(window=Duration(seconds=11))}, "busy.window", "0.1 s to 10 s"),
        ({"busy": router_pb2.Busy(max_merged=1)}, "busy.max_merged", "2 to 10"),
        ({"match": {"chat_types": ["group", "room"]}}, "match.chat_types[1]", "private, group, channel"),
        ({"match": {"segments": ["photo"]}}, "match.segments[0]", "image"),
        ({"match": {"prefixes": [""]}}, "match.prefixes[0]", "begins"),
        ({"match": {"chats": [""]}}, "match.chats[0]", "id of a chat"),
        ({"match": {"senders": [""]}}, "match.senders[0]", "id of a sender"),
        ({"match": {"sender_sets": ["Bad Name"]}}, "match.sender_sets[0]", "lower-case"),
        ({"match": {"not_sender_sets": [""]}}, "match.not_sender_sets[0]", "lower-case"),
        ({"match": {"chat_sets": ["Bad Name"]}}, "match.chat_sets[0]", "lower-case"),
        ({"match": {"not_chat_sets": [""]}}, "match.not_chat_sets[0]", "lower-case"),
        ({"match": {"regex": "("}}, "match.regex", "RE2"),
        ({"match": {"regex": r"(?=x)"}}, "match.regex", "RE2"),
        ({"match": {"regex": "x" * 2_001}}, "match.regex", "1-2000 characters"),
        ({"match": condition("colour", "EQUAL", "x")}, "match.conditions[0].field", "sender_id"),
        ({"match": condition("text", "UNSPECIFIED", "x")}, "match.conditions[0].operator", "OPERATOR_EQUAL"),
        ({"match": condition("text", "CONTAINS", "")}, "match.conditions[0].value", "some text"),
        ({"match": condition("text", "REGEX", "(")}, "match.conditions[0].value", "RE2"),
        ({"match": condition("chat_type", "EQUAL", "room")}, "match.conditions[0].value", "private"),
        ({"match": condition("segment", "CONTAINS", "im")}, "match.conditions[0].operator", "OPERATOR_EQUAL"),
        ({"match": condition("segment", "EQUAL", "photo")}, "match.conditions[0].value", "image"),
    ],
)
def test_a_wrong_rule_is_named_with_field_expectation_and_remedy(
    tables: RouteTables, fields: dict[str, Any], field: str, expected: str
) -> None:
    with pytest.raises(RuleInvalid, match=expected) as caught:
        tables.push(table(rule("fine"), rule(**{"rule_id": "wrong", **fields})), source="router")
    error = caught.value
    assert (error.reason, error.field) == ("INVALID_ARGUMENT", field)
    assert error.metadata["rule"] == ("#2" if field == "id" else "wrong")
    assert error.metadata["field"] == field
    assert error.metadata["expected"]
    assert error.remedy


def test_ids_are_unique_in_a_table(tables: RouteTables) -> None:
    with pytest.raises(RuleInvalid, match="two rules"):
        tables.push(table(rule("a"), rule("a")), source="router")


def test_a_table_has_at_most_a_thousand_rules(tables: RouteTables) -> None:
    tables.push(table(*(rule(f"r{number}") for number in range(1_000))), source="router")
    with pytest.raises(RuleInvalid, match="at most 1000"):
        tables.push(table(*(rule(f"r{number}") for number in range(1_001))), source="router")


@pytest.mark.parametrize("bot", ["", "Bot", "a b", "**"])
def test_a_table_belongs_to_a_bot_or_to_all(tables: RouteTables, bot: str) -> None:
    with pytest.raises(RuleInvalid, match="name of a bot"):
        tables.push(table(rule(), bot=bot), source="router")


@pytest.mark.parametrize(
    "wrong",
    [
        router_pb2.SenderSet(name="Bad Name"),
        router_pb2.SenderSet(name="friends", members=[""]),
        router_pb2.SenderSet(name="friends", members=["x"] * 100_001),
    ],
)
def test_a_wrong_sender_set_is_refused(tables: RouteTables, wrong: router_pb2.SenderSet) -> None:
    with pytest.raises(RuleInvalid):
        tables.push_senders(wrong)


def test_a_disabled_rule_is_checked_like_any_other(tables: RouteTables) -> None:
    with pytest.raises(RuleInvalid):
        tables.push(table(rule(event="mess*", disabled=True)), source="router")
