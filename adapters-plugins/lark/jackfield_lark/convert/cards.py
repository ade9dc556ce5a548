"""Cards of schema 2.0: text, buttons, selects and forms. A control carries what it belongs to in its value."""

from __future__ import annotations

from typing import Any

from jackfield_sdk import (
    Actions,
    Button,
    ButtonStyle,
    Form,
    FormField,
    FormFieldType,
    InvalidArgument,
    Option,
    Select,
)

MOST_ELEMENTS = 200
LONGEST_ID = 256
_STYLES = {ButtonStyle.PRIMARY: "primary", ButtonStyle.DANGER: "danger"}


def card(elements: list[dict[str, Any]]) -> dict[str, Any]:
    """A card that may be updated. Raises InvalidArgument above 200 elements."""
    if len(elements) > MOST_ELEMENTS:
        raise InvalidArgument(f"a card holds at most {MOST_ELEMENTS} elements", metadata={"field": "message"})
    return {"schema": "2.0", "config": {"update_multi": True}, "body": {"elements": elements}}


def text_element(text: str, markdown: bool) -> dict[str, Any]:
    """Text of a card; plain text is not read for markup."""
    if markdown:
        return {"tag": "markdown", "content": text}
    return {"tag": "div", "text": {"tag": "plain_text", "content": text}}


def actions_elements(actions: Actions) -> list[dict[str, Any]]:
    """Each control as an element of its own."""
    return [
        _button(control, actions.id) if isinstance(control, Button) else _select(control, actions.id)
        for control in actions.controls
    ]


def form_elements(form: Form, number: int) -> list[dict[str, Any]]:
    """Heading, fields and the buttons that send them. Names are unique in a card."""
    elements: list[dict[str, Any]] = []
    if form.title:
        elements.append(text_element(form.title, markdown=False))
    if form.text:
        elements.append(text_element(form.text, markdown=False))
    inner: list[dict[str, Any]] = []
    for field in form.fields:
        if field.type in (FormFieldType.SELECT, FormFieldType.DATE, FormFieldType.BOOLEAN):
            inner.append(text_element(field.label or field.name, markdown=False))
        inner.append(_field(field))
    for index, button in enumerate(form.actions or (Button(action_id="submit", label="OK"),)):
        sent = _button(button, form.id)
        if not button.url:
            sent |= {"form_action_type": "submit", "name": f"s{number}.{index}"}
        inner.append(sent)
    return [*elements, {"tag": "form", "name": f"form{number}", "elements": inner}]


def _button(button: Button, controls: str) -> dict[str, Any]:
    element: dict[str, Any] = {
        "tag": "button",
        "text": _plain(button.label or button.action_id),
        "type": _STYLES.get(button.style, "default"),
    }
    if button.url:
        element["behaviors"] = [{"type": "open_url", "default_url": button.url}]
    else:
        element["behaviors"] = [_callback(button.action_id, controls, button.value)]
    return element


def _select(select: Select, controls: str) -> dict[str, Any]:
    return {
        "tag": "multi_select_static" if select.max_values > 1 else "select_static",
        "placeholder": _plain(select.placeholder or "…"),
        "options": _options(select.options),
        "behaviors": [_callback(select.action_id, controls, None)],
    }


def _field(field: FormField) -> dict[str, Any]:
    element: dict[str, Any] = {"name": _id(field.name), "required": field.required}
    kind = field.type
    if kind is FormFieldType.SELECT:
        return element | {"tag": "select_static", "options": _options(field.options)}
    if kind is FormFieldType.BOOLEAN:
        yes_no = (Option("true", "✓"), Option("false", "✗"))
        return element | {"tag": "select_static", "options": _options(yes_no)}
    if kind is FormFieldType.DATE:
        return element | {"tag": "date_picker"}
    if kind is FormFieldType.FILE:
        raise InvalidArgument("forms of Lark take no files", metadata={"field": field.name})
    element |= {"tag": "input", "label": _plain(field.label or field.name)}
    if kind is FormFieldType.PARAGRAPH:
        element["input_type"] = "multiline_text"
    if field.default_value:
        element["default_value"] = field.default_value
    return element


def _callback(action_id: str, controls: str, value: str | None) -> dict[str, Any]:
    carried = {"k": controls, "a": _id(action_id)}
    if value is not None:
        carried["v"] = value
    return {"type": "callback", "value": carried}


def _options(options: tuple[Option, ...]) -> list[dict[str, Any]]:
    if not options:
        raise InvalidArgument("a select needs options", metadata={"field": "options"})
    return [{"text": _plain(option.label or option.value), "value": option.value} for option in options]


def _plain(text: str) -> dict[str, Any]:
    return {"tag": "plain_text", "content": text}


def _id(text: str) -> str:
    if not text or len(text) > LONGEST_ID:
        raise InvalidArgument(f"ids have 1 to {LONGEST_ID} characters", metadata={"field": "action_id"})
    return text
