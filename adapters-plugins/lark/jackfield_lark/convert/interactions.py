"""Pressed buttons, choices and sent forms of cards."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jackfield_sdk import Event, InteractionKind, InteractionReceived, InvalidArgument, User

from jackfield_lark.convert.context import ReplyContext, Self


def interaction(event: Mapping[str, Any], event_id: str, me: Self) -> Event:
    """`card.action.trigger`: one control of a card was used."""
    action, context, operator = (_part(event, name) for name in ("action", "context", "operator"))
    chat, message = _word(context, "open_chat_id"), _word(context, "open_message_id")
    if not chat or not action:
        raise InvalidArgument("the card action names no chat or no control")
    value = _part(action, "value")
    kind, values = _values(action, value)
    thread = me.places[message].thread if message in me.places else ""
    received = InteractionReceived(
        id=event_id,
        kind=kind,
        action_id=_word(value, "a") or _word(action, "name"),
        controls_id=_word(value, "k"),
        values=values,
        message_id=message,
    )
    return Event(
        payload=received,
        chat=me.chat(chat, thread),
        sender=User(id=_word(operator, "open_id")),
        reply_context=ReplyContext(chat, message, thread).to_bytes(),
    )


def _values(action: Mapping[str, Any], value: Mapping[str, Any]) -> tuple[InteractionKind, dict[str, Any]]:
    form = action.get("form_value")
    if isinstance(form, dict):
        return InteractionKind.FORM, dict(form)
    options = action.get("options")
    if isinstance(options, list):
        return InteractionKind.SELECT, {"values": [str(one) for one in options]}
    if option := _word(action, "option"):
        return InteractionKind.SELECT, {"values": [option]}
    if "v" in value:
        return InteractionKind.BUTTON, {"value": str(value["v"])}
    # A card that another program made.
    return InteractionKind.BUTTON, dict(value)


def _part(found: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = found.get(name)
    return value if isinstance(value, dict) else {}


def _word(found: Mapping[str, Any], name: str) -> str:
    value = found.get(name)
    return value if isinstance(value, str) else ""
