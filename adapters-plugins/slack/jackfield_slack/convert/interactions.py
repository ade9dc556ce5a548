"""Commands, pressed buttons, choices and sent forms."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from jackfield_sdk import Event, InteractionKind, InteractionReceived, InvalidArgument, PlatformEvent, User

from jackfield_slack.convert.blocks import FORM, controls_of
from jackfield_slack.convert.context import ReplyContext
from jackfield_slack.convert.incoming import Heard, Self, clean


def command(form: Mapping[str, Any], me: Self) -> Heard:
    """A slash command."""
    channel, name = _text(form, "channel_id"), _text(form, "command")
    trigger = _text(form, "trigger_id")
    me.learn(channel, "im" if form.get("channel_name") == "directmessage" else "")
    payload = InteractionReceived(
        id=trigger,
        kind=InteractionKind.COMMAND,
        action_id=name.removeprefix("/"),
        values={"text": str(form.get("text") or "")},
    )
    context = ReplyContext(channel, response_url=str(form.get("response_url") or ""))
    event = Event(
        payload=payload,
        chat=me.chat(channel),
        sender=User(id=_text(form, "user_id"), nickname=str(form.get("user_name") or "")),
        platform_event_id=trigger,
        raw=clean(form),
        reply_context=context.to_bytes(),
    )
    return Heard(event, f"command:{trigger}")


def interaction(payload: Mapping[str, Any], me: Self) -> Iterator[Heard]:
    """One event for each control that was used; a view that was closed is an event of the platform."""
    kind = payload.get("type")
    if kind == "block_actions":
        actions = payload.get("actions")
        for number, action in enumerate(actions if isinstance(actions, list) else ()):
            if isinstance(action, dict):
                yield _action(payload, action, number, me)
    elif kind == "view_submission":
        yield _submission(payload, me)
    elif kind in ("shortcut", "message_action"):
        yield _shortcut(payload, me)
    elif isinstance(kind, str):
        key = f"{kind}:{_view(payload).get('id', '')}:{payload.get('trigger_id', '')}"
        event = Event(payload=PlatformEvent(action=kind, data=clean(payload)), sender=_user(payload))
        yield Heard(event, key)
    else:
        raise InvalidArgument("the interaction has no type")


def _action(payload: Mapping[str, Any], action: Mapping[str, Any], number: int, me: Self) -> Heard:
    trigger = _text(payload, "trigger_id")
    form, controls = controls_of(str(action.get("block_id") or ""))
    kind, values = _kind_and_values(action)
    if form == FORM and kind is InteractionKind.BUTTON:
        kind, values = InteractionKind.FORM, state_of(payload)
    container = payload.get("container") if isinstance(payload.get("container"), dict) else {}
    message = payload.get("message") if isinstance(payload.get("message"), dict) else {}
    ts = str((message or {}).get("ts") or (container or {}).get("message_ts") or "")
    received = InteractionReceived(
        id=trigger if number == 0 else f"{trigger}.{number}",
        kind=kind,
        action_id=str(action.get("action_id") or ""),
        controls_id=controls,
        values=values,
        message_id=ts,
    )
    return _heard(
        payload, received, f"action:{trigger}:{number}", me, ts, str((message or {}).get("thread_ts") or "")
    )


def _submission(payload: Mapping[str, Any], me: Self) -> Heard:
    view = _view(payload)
    callback = str(view.get("callback_id") or "")
    received = InteractionReceived(
        id=_text(payload, "trigger_id"),
        kind=InteractionKind.FORM,
        action_id=callback,
        controls_id=str(view.get("external_id") or callback),
        values=state_of(view),
    )
    return _heard(payload, received, f"view:{view.get('id')}:{view.get('hash')}", me)


def _shortcut(payload: Mapping[str, Any], me: Self) -> Heard:
    message = payload.get("message") if isinstance(payload.get("message"), dict) else {}
    ts = str((message or {}).get("ts") or "")
    trigger = _text(payload, "trigger_id")
    received = InteractionReceived(
        id=trigger,
        kind=InteractionKind.COMMAND,
        action_id=str(payload.get("callback_id") or ""),
        values={"text": str((message or {}).get("text") or "")},
        message_id=ts,
    )
    return _heard(payload, received, f"shortcut:{trigger}", me, ts)


def _heard(
    payload: Mapping[str, Any],
    received: InteractionReceived,
    key: str,
    me: Self,
    ts: str = "",
    thread: str = "",
) -> Heard:
    channel = payload.get("channel") if isinstance(payload.get("channel"), dict) else {}
    channel_id = str((channel or {}).get("id") or "")
    if (channel or {}).get("name") == "directmessage":
        me.learn(channel_id, "im")
    thread = "" if thread == ts else thread
    context = ReplyContext(channel_id, thread, ts, str(payload.get("response_url") or ""))
    event = Event(
        payload=received,
        chat=me.chat(channel_id, thread) if channel_id else me.chat(f"{_user(payload).id}"),
        sender=_user(payload),
        platform_event_id=received.id,
        raw=clean(payload),
        reply_context=context.to_bytes() if channel_id else b"",
    )
    return Heard(event, key)


def _kind_and_values(action: Mapping[str, Any]) -> tuple[InteractionKind, dict[str, Any]]:
    if action.get("type") == "button":
        value = action.get("value")
        return InteractionKind.BUTTON, {"value": value} if isinstance(value, str) else {}
    chosen = _value(action)
    return InteractionKind.SELECT, {
        "values": chosen if isinstance(chosen, list) else [chosen] if chosen else []
    }


def state_of(payload: Mapping[str, Any]) -> dict[str, Any]:
    """What stands in the fields of a form, by the name of the field."""
    state = payload.get("state")
    blocks = state.get("values") if isinstance(state, dict) else None
    found: dict[str, Any] = {}
    for fields in (blocks if isinstance(blocks, dict) else {}).values():
        for name, element in (fields if isinstance(fields, dict) else {}).items():
            if isinstance(element, dict):
                found[name] = _value(element)
    return found


def _value(element: Mapping[str, Any]) -> Any:
    kind = str(element.get("type") or "")
    if kind == "checkboxes" or kind.startswith("multi_"):
        for name, value in element.items():
            if name.startswith("selected_") and isinstance(value, list):
                return [one.get("value") if isinstance(one, dict) else one for one in value]
        return []
    for name, value in element.items():
        if name.startswith("selected_"):
            return value.get("value") if isinstance(value, dict) else value
    return element.get("value")


def _view(payload: Mapping[str, Any]) -> dict[str, Any]:
    view = payload.get("view")
    return view if isinstance(view, dict) else {}


def _user(payload: Mapping[str, Any]) -> User:
    user = payload.get("user")
    if not isinstance(user, dict) or not isinstance(user.get("id"), str):
        raise InvalidArgument("the interaction has no user")
    return User(id=user["id"], nickname=str(user.get("name") or user.get("username") or ""))


def _text(table: Mapping[str, Any], name: str) -> str:
    value = table.get(name)
    if not isinstance(value, str) or not value:
        raise InvalidArgument(f"{name} is missing", metadata={"field": name})
    return value
