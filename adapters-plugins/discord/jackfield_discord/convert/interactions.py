"""What users did with controls: buttons, choices, forms, native commands."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from jackfield_sdk import Chat, Event, InteractionKind, InteractionReceived, Message, MessageReceived

from jackfield_discord.convert.context import ReplyContext
from jackfield_discord.convert.controls import Meaning
from jackfield_discord.convert.people import user_of
from jackfield_discord.convert.values import integer_of, snowflake_time, table, tables, text_of

COMMAND, COMPONENT, AUTOCOMPLETE, FORM = 2, 3, 4, 5
BUTTON = 2


def interaction_event(native: Mapping[str, Any], chat: Chat | None, commands: frozenset[str]) -> Event:
    """A command that another plugin answers is a message that says it; everything else is an interaction."""
    kind = integer_of(native.get("type"))
    given = table(native.get("data"))
    interaction_id = text_of(native.get("id"))
    member = table(native.get("member"))
    context = ReplyContext(
        text_of(native.get("channel_id")), text_of(native.get("application_id")), text_of(native.get("token"))
    )
    name = text_of(given.get("name"))
    payload: MessageReceived | InteractionReceived
    if kind == COMMAND and name in commands:
        payload = MessageReceived(interaction_id, Message(" ".join([f"/{name}", *_words(given)])), True)
    else:
        payload = _interaction(kind, interaction_id, given, text_of(table(native.get("message")).get("id")))
    return Event(
        payload=payload,
        chat=chat,
        sender=user_of(member.get("user") or native.get("user"), member),
        time=snowflake_time(interaction_id),
        platform_event_id=interaction_id,
        reply_context=context.encode(),
    )


def _interaction(
    kind: int, interaction_id: str, given: Mapping[str, Any], message_id: str
) -> InteractionReceived:
    if kind == COMMAND:
        values = {text_of(one.get("name")): one.get("value") for one in _options(given)}
        if target := text_of(given.get("target_id")):
            values["target_id"] = target
        return InteractionReceived(
            interaction_id, InteractionKind.COMMAND, text_of(given.get("name")), values=values or None
        )
    meaning = Meaning.decode(text_of(given.get("custom_id")))
    if kind == FORM:
        return InteractionReceived(
            interaction_id,
            InteractionKind.FORM,
            meaning.action_id,
            meaning.controls_id,
            dict(_fields(given)),
            message_id,
        )
    if integer_of(given.get("component_type")) == BUTTON:
        values = {"value": meaning.value} if meaning.value else {}
        what = InteractionKind.BUTTON
    else:
        chosen = given.get("values")
        values = {"values": [text_of(one) for one in chosen] if isinstance(chosen, list) else []}
        what = InteractionKind.SELECT
    return InteractionReceived(
        interaction_id, what, meaning.action_id, meaning.controls_id, values or None, message_id
    )


def _options(given: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The options, those of subcommands with the subcommands' names before them."""
    for option in tables(given.get("options")):
        if integer_of(option.get("type")) in (1, 2):
            yield {"name": text_of(option.get("name")), "value": True}
            yield from _options(option)
        else:
            yield option


def _words(given: Mapping[str, Any]) -> Iterator[str]:
    for option in _options(given):
        value = option.get("value")
        yield text_of(option.get("name")) if value is True else str(value)


def _fields(given: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Name and value of each field of a form, in rows or in labels."""
    for row in tables(given.get("components")):
        for field in (*tables(row.get("components")), table(row.get("component"))):
            name = text_of(field.get("custom_id"))
            chosen = field.get("values")
            if name:
                yield name, chosen if isinstance(chosen, list) else text_of(field.get("value"))
