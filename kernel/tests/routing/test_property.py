"""The compiled table says what a plain reading of the contract says."""

from __future__ import annotations

from typing import Any

import pytest
import re2
from hypothesis import given, settings
from hypothesis import strategies as st
from jackfield.v1 import event_pb2, message_pb2, router_pb2
from jackfield_kernel.routing.decision import Decision
from jackfield_kernel.routing.tables import RouteTables

from .conftest import CHATS, happened, mention, picture, rule, table, wrote

WORDS = ["/go", "go", " ", "stop now", "你好"]
SETS: dict[str, set[str]] = {"friends": {"u1", "b:u2"}, "nobody": set(), "other": {"x:u1"}}


def maybe(values: list[str]) -> st.SearchStrategy[list[str]]:
    return st.one_of(st.just([]), st.lists(st.sampled_from(values), min_size=1, max_size=2))


conditions = st.builds(
    lambda field, operator, value: router_pb2.Condition(field=field, operator=operator, value=value),
    st.sampled_from(["chat_id", "thread_id", "sender_id", "text", "platform", "event"]),
    st.integers(1, 6),
    st.sampled_from(["c1", "u1", "go", "web", "message", "t", "."]),
) | st.builds(
    lambda operator, value: router_pb2.Condition(field="segment", operator=operator, value=value),
    st.integers(1, 2),
    st.sampled_from(["text", "image", "mention"]),
)
matches = st.fixed_dictionaries(
    {
        "chat_types": maybe(["private", "group"]),
        "chats": maybe(["c1", "c2"]),
        "senders": maybe(["u1", "u2"]),
        "sender_sets": maybe(list(SETS)),
        "not_sender_sets": maybe(list(SETS)),
        "mention": st.booleans(),
        "prefixes": maybe(["/", "go", "@"]),
        "regex": st.sampled_from(["", "", "go", "^/", "@Ann"]),
        "segments": maybe(["text", "image"]),
        "from_bots": st.booleans(),
        "conditions": st.lists(conditions, max_size=1),
    }
).flatmap(
    lambda full: st.sets(st.sampled_from(sorted(full)), max_size=2).map(
        lambda keys: {k: full[k] for k in keys}
    )
)
rules = st.builds(
    lambda event, priority, disabled, goes_on, on_error, match: rule(
        "r",
        event,
        priority=priority,
        disabled=disabled,
        on_error=on_error,
        match=match,
        **{"continue": goes_on},
    ),
    st.sampled_from(["*", "message.*", "message.received", "message.edited", "group.*", "platform.specific"]),
    st.integers(-1, 1),
    st.sampled_from([False, False, True]),
    st.booleans(),
    st.integers(0, 3),
    matches,
)
parts = st.lists(
    st.sampled_from(WORDS) | st.builds(mention, st.just("Ann")) | st.builds(picture), min_size=1, max_size=3
)
events = st.builds(
    lambda parts, **fields: wrote(*parts, **fields),
    parts,
    chat=st.sampled_from(list(CHATS)),
    chat_id=st.sampled_from(["c1", "c2"]),
    thread=st.sampled_from(["", "t1"]),
    sender=st.sampled_from(["", "u1", "u2", "u3"]),
    from_bot=st.booleans(),
    mentions_bot=st.booleans(),
    edited=st.booleans(),
) | st.sampled_from(["group.member_left", "platform.blue.x", "friend.added"]).map(happened)


def reference(table: router_pb2.RouteTable, event: event_pb2.Event) -> list[str]:
    """The contract, read aloud: sort everything, ask every rule, cut the chain at its end."""

    def specificity(pattern: str) -> int:
        return 2 if "*" not in pattern and pattern != "platform.specific" else int(pattern != "*")

    order = sorted(table.rules, key=lambda one: (-one.priority, -specificity(one.event)))
    chain = []
    for one in order:
        if one.disabled or not fits(one.event, event.type) or not holds(one.match, event):
            continue
        chain.append(one.id)
        if not getattr(one, "continue") and one.on_error != router_pb2.ON_ERROR_NEXT:
            break
    return chain


def fits(pattern: str, event_type: str) -> bool:
    pattern = "platform.*" if pattern == "platform.specific" else pattern
    return pattern in ("*", event_type) or (pattern.endswith(".*") and event_type.startswith(pattern[:-1]))


def holds(match: router_pb2.Match, event: event_pb2.Event) -> bool:
    kind = event.WhichOneof("payload")
    message = getattr(event, kind).message if kind else message_pb2.Message()
    text = "".join(written(segment) for segment in message.segments)
    kinds = {segment.WhichOneof("content") for segment in message.segments}
    chat_type = {number: name for name, number in CHATS.items()}.get(event.chat.type, "")
    sender = event.sender.id
    facts = {
        "chat_id": event.chat.id,
        "thread_id": event.chat.thread_id,
        "sender_id": sender,
        "text": text,
        "platform": event.platform,
        "event": event.type,
    }
    inside = [sender and bool(SETS[name] & {sender, f"b:{sender}"}) for name in match.sender_sets]
    outside = [sender and bool(SETS[name] & {sender, f"b:{sender}"}) for name in match.not_sender_sets]
    return all(
        [
            not (kind and event.sender.is_bot) or match.from_bots,
            not match.chat_types or chat_type in match.chat_types,
            not match.chats or event.chat.id in match.chats,
            not match.senders or sender in match.senders,
            not match.sender_sets or any(inside),
            not any(outside),
            not match.mention or chat_type == "private" or event.message_received.mentions_bot,
            not match.prefixes or any(command(message).startswith(prefix) for prefix in match.prefixes),
            not match.regex or re2.search(match.regex, text),
            not match.segments or kinds & set(match.segments),
            all(compares(one, facts, kinds) for one in match.conditions),
        ]
    )


def compares(one: router_pb2.Condition, facts: dict[str, str], kinds: set[Any]) -> bool:
    if one.field == "segment":
        return (one.value in kinds) == (one.operator == router_pb2.OPERATOR_EQUAL)
    actual = facts[one.field]
    return {
        1: actual == one.value,
        2: actual != one.value,
        3: one.value in actual,
        4: one.value not in actual,
        5: actual.startswith(one.value),
        6: bool(re2.search(one.value, actual)),
    }[one.operator]


def written(segment: message_pb2.Segment) -> str:
    return segment.text.text + ("@" + segment.mention.display if segment.HasField("mention") else "")


def command(message: message_pb2.Message) -> str:
    segments = list(message.segments)
    while segments and (segments[0].HasField("mention") or not written(segments[0]).strip()):
        segments.pop(0)
    return "".join(map(written, segments)).lstrip()


@pytest.mark.slow
@settings(max_examples=400, deadline=None)
@given(st.lists(rules, max_size=6), st.lists(events, min_size=1, max_size=4))
def test_a_table_decides_as_the_contract_reads(
    drawn: list[router_pb2.Rule], happening: list[event_pb2.Event]
) -> None:
    for number, one in enumerate(drawn):
        one.id = f"r{number}"
    pushed = table(*drawn)
    tables = RouteTables()
    for name, members in SETS.items():
        tables.push_senders(router_pb2.SenderSet(name=name, members=members))
    tables.push(pushed, source="router")
    for event in happening:
        answer = tables.decide(event)
        assert isinstance(answer, Decision)
        expected = reference(pushed, event)
        assert [one.id for one in answer.rules] == expected
        explained = tables.explain(event)
        assert list(explained.chain) == expected
        assert set(expected) <= {trace.rule.id for trace in explained.rules if trace.matches}
