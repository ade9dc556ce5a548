"""The shipped guard rules and sets, evaluated by the kernel's own routing: who gets to a handler, and who does not."""

from __future__ import annotations

from importlib import resources
from typing import Any

import pytest
import yaml
from jackfield.v1 import entity_pb2, event_pb2, router_pb2
from jackfield_access.people import Person
from jackfield_access.sets import members_of
from jackfield_access.settings import of_bot
from jackfield_kernel.routing.decision import Decision
from jackfield_kernel.routing.tables import RouteTables
from jackfield_router.defaults import default_rules

PRIVATE, GROUP = entity_pb2.CHAT_TYPE_PRIVATE, entity_pb2.CHAT_TYPE_GROUP
OPEN = [
    {
        "id": "commands",
        "event": "message.received",
        "priority": 100,
        "match": {"prefixes": ["/"]},
        "handler": "command",
    },
    {"id": "open", "event": "*", "match": {"from_bots": True}, "handler": "echo"},
]


def tables(settings: dict[str, Any], *people: Person) -> RouteTables:
    """What is in force for a bot with these settings."""
    manifest = yaml.safe_load((resources.files("jackfield_router") / "jackfield-plugin.yaml").read_text())
    guards = manifest["config"]["properties"]["guard_rules"]["default"]
    rules = [one.rule_of("mine") for one in default_rules({"guard_rules": guards, "default_rules": OPEN})]
    made = RouteTables()
    for name, members in members_of("mine", of_bot({"bots": {"mine": settings}}, "mine"), people).items():
        made.push_senders(router_pb2.SenderSet(name=f"access/mine/{name}", members=sorted(members)))
    made.push(router_pb2.RouteTable(bot="mine", version="1", rules=rules), source="router")
    return made


def message(
    sender: str, chat: str = "", *, text: str = "hi", mentions: bool = False, from_bot: bool = False
) -> event_pb2.Event:
    """Someone wrote, in a group when a chat is named."""
    event = event_pb2.Event(id="e", type="message.received", bot="mine")
    event.chat.type, event.chat.id = (GROUP, chat) if chat else (PRIVATE, sender)
    event.sender.id, event.sender.is_bot = sender, from_bot
    event.message_received.mentions_bot = mentions
    event.message_received.message.segments.add().text.text = text
    return event


def first(made: RouteTables, event: event_pb2.Event) -> str:
    """The rule that gets it."""
    decision = made.decide(event)
    assert isinstance(decision, Decision)
    return decision.rules[0].id if decision.rules else ""


@pytest.mark.parametrize(
    ("settings", "event", "rule"),
    [
        ({}, message("1"), "access"),
        ({}, message("1", "g"), "access-groups"),
        ({}, message("1", from_bot=True), "access"),
        ({}, message("1", text="/help"), "access"),
        ({"allow": ["1"]}, message("1"), "open"),
        ({"allow": ["1"]}, message("1", "g"), "open"),
        ({"allow": ["1"]}, message("mine:1"), "access"),
        ({"allow": ["mine:1"]}, message("1"), "access"),
        ({"allow_all": True}, message("2"), "open"),
        ({"allow": ["*"]}, message("2"), "open"),
        ({"admins": ["1"]}, message("1", text="/users"), "commands-admin"),
        ({"allow": ["1"]}, message("1", text="/users"), "commands"),
        ({"open_groups": ["g"]}, message("2", "g"), "open"),
        ({"open_groups": ["g"]}, message("2", "h"), "access-groups"),
        # A person whose id is that of an open group, and groups open to all: no way into a private chat.
        ({"open_groups": ["g"]}, message("g"), "access"),
        ({"open_groups": ["*"]}, message("2", "h"), "open"),
        ({"open_groups": ["*"]}, message("2"), "access"),
        ({"allow": ["1"], "require_mention": True}, message("1", "g"), "access-mention"),
        ({"allow": ["1"], "require_mention": True}, message("1", "g", mentions=True), "open"),
        ({"allow": ["1"], "require_mention": True}, message("1"), "open"),
        ({"allow": ["1"], "require_mention": True, "free_groups": ["g"]}, message("1", "g"), "open"),
    ],
)
def test_who_gets_through(settings: dict[str, Any], event: event_pb2.Event, rule: str) -> None:
    assert first(tables(settings), event) == rule


@pytest.mark.parametrize(
    "settings", [{"allow_all": True}, {"allow": ["1"], "admins": ["1"]}, {"open_groups": ["*"]}]
)
def test_who_is_blocked_gets_nowhere(settings: dict[str, Any]) -> None:
    made = tables(settings, Person("mine", "1", "blocked"))
    for event in (message("1"), message("1", "g"), message("1", text="/users"), message("1", from_bot=True)):
        assert first(made, event) == "access-denied"


def test_what_no_person_sent_is_nobodys_to_admit() -> None:
    event = event_pb2.Event(id="e", type="bot.muted", bot="mine")
    event.chat.type, event.chat.id = GROUP, "g"
    assert first(tables({}), event) == "open"


def test_a_person_without_a_chat_is_a_stranger_too() -> None:
    event = event_pb2.Event(id="e", type="friend.request_received", bot="mine")
    event.sender.id = "7"
    assert first(tables({}), event) == "access"
