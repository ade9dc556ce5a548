"""Events, rules and tables for the tests of routing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from jackfield.v1 import entity_pb2, event_pb2, message_pb2, router_pb2
from jackfield_kernel.routing.decision import Decision
from jackfield_kernel.routing.tables import RouteTables

CHATS = {
    "private": entity_pb2.CHAT_TYPE_PRIVATE,
    "group": entity_pb2.CHAT_TYPE_GROUP,
    "channel": entity_pb2.CHAT_TYPE_CHANNEL,
}


def segment(part: str | message_pb2.Segment) -> message_pb2.Segment:
    """A text segment for a text."""
    if isinstance(part, str):
        return message_pb2.Segment(text=message_pb2.Text(text=part))
    return part


def mention(name: str) -> message_pb2.Segment:
    """Someone addressed by name."""
    return message_pb2.Segment(mention=message_pb2.Mention(user_id="7", display=name))


def picture() -> message_pb2.Segment:
    """An image."""
    return message_pb2.Segment(
        image=message_pb2.Image(media=message_pb2.Media(url="https://example.org/a.png"))
    )


def wrote(
    *parts: str | message_pb2.Segment,
    chat: str = "group",
    chat_id: str = "c1",
    thread: str = "",
    sender: str = "u1",
    from_bot: bool = False,
    mentions_bot: bool = False,
    edited: bool = False,
    bot: str = "b",
) -> event_pb2.Event:
    """Someone wrote a message, or edited one."""
    event = event_pb2.Event(
        id="e",
        type="message.edited" if edited else "message.received",
        bot=bot,
        platform="web",
        chat=entity_pb2.Chat(type=CHATS[chat], id=chat_id, thread_id=thread),
        sender=entity_pb2.User(id=sender, is_bot=from_bot) if sender else None,
    )
    message = message_pb2.Message(segments=[segment(part) for part in parts])
    if edited:
        event.message_edited.message.CopyFrom(message)
    else:
        event.message_received.message.CopyFrom(message)
        event.message_received.mentions_bot = mentions_bot
    return event


def happened(event_type: str, **fields: Any) -> event_pb2.Event:
    """Something that is not a message."""
    return event_pb2.Event(id="e", type=event_type, bot=fields.pop("bot", "b"), **fields)


def rule(rule_id: str = "r", event: str = "*", handler: str = "echo", **fields: Any) -> router_pb2.Rule:
    """A rule; `match` as keyword arguments of Match."""
    match = fields.pop("match", None)
    return router_pb2.Rule(
        id=rule_id, event=event, handler=handler, match=router_pb2.Match(**match) if match else None, **fields
    )


def condition(field: str, operator: str, value: str) -> dict[str, Any]:
    """A match of one condition."""
    made = router_pb2.Condition(field=field, operator=f"OPERATOR_{operator}", value=value)
    return {"conditions": [made]}


def table(*rules: router_pb2.Rule, bot: str = "b") -> router_pb2.RouteTable:
    """A table of these rules."""
    return router_pb2.RouteTable(bot=bot, version="1", rules=rules)


@pytest.fixture
def tables() -> RouteTables:
    """Nothing in force yet."""
    return RouteTables()


@pytest.fixture
def chain(tables: RouteTables) -> Callable[[event_pb2.Event], list[str]]:
    """Ids of the rules that an event runs through."""

    def run(event: event_pb2.Event) -> list[str]:
        answer = tables.decide(event)
        assert isinstance(answer, Decision)
        return [rule.id for rule in answer.rules]

    return run


@pytest.fixture
def matches(tables: RouteTables) -> Callable[..., bool]:
    """Whether an event matches a rule with this `Match`; the explanation has to agree."""

    def run(event: event_pb2.Event, event_pattern: str = "*", **match: Any) -> bool:
        tables.push(table(rule(event=event_pattern, match=match)), source="router")
        answer = tables.decide(event)
        assert isinstance(answer, Decision)
        (trace,) = tables.explain(event).rules
        assert trace.matches == bool(answer.rules)
        assert bool(trace.reason) != trace.matches
        return bool(answer.rules)

    return run
