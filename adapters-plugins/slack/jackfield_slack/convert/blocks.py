"""Controls and forms as Block Kit, and as numbered text for where no blocks are shown."""

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

from jackfield_slack.convert.mrkdwn import escape

ACTIONS, FORM = "a", "f"
LONGEST_ID = 255
MOST_ELEMENTS = 25
MOST_OPTIONS = 100


def block_id(kind: str, number: int, controls: str) -> str:
    """Unique in its message, and says what it belongs to. Raises InvalidArgument."""
    return _id(f"{kind}{number}:{controls}")


def controls_of(text: str) -> tuple[str, str]:
    """(kind, id of the controls) of a block; empty for a block that is not ours."""
    head, colon, controls = text.partition(":")
    if not colon or head[:1] not in (ACTIONS, FORM) or not head[1:].isdigit():
        return "", ""
    return head[:1], controls


def actions_blocks(actions: Actions, number: int) -> list[dict[str, Any]]:
    """Blocks of at most 25 controls each."""
    elements = [_element(control) for control in actions.controls]
    return [
        {
            "type": "actions",
            "block_id": block_id(ACTIONS, 100 * number + start, actions.id),
            "elements": elements[start : start + MOST_ELEMENTS],
        }
        for start in range(0, len(elements), MOST_ELEMENTS)
    ]


def form_blocks(form: Form, number: int) -> list[dict[str, Any]]:
    """Fields of input in the message, and the buttons that send them."""
    blocks: list[dict[str, Any]] = []
    head = "\n".join(filter(None, (f"*{escape(form.title)}*" if form.title else "", escape(form.text))))
    if head:
        blocks.append({"type": "section", "text": {"type": "mrkdwn", "text": head[:3000]}})
    for index, field in enumerate(form.fields):
        blocks.append(
            {
                "type": "input",
                "block_id": block_id(FORM, 100 * number + index + 1, form.id),
                "label": _plain(field.label or field.name, 2000),
                "optional": not field.required,
                "element": _input(field),
            }
        )
    buttons = form.actions or (Button(action_id="submit", label="OK"),)
    blocks.append(
        {
            "type": "actions",
            "block_id": block_id(FORM, 100 * number, form.id),
            "elements": [_element(button) for button in buttons[:MOST_ELEMENTS]],
        }
    )
    return blocks


def actions_text(actions: Actions) -> str:
    """Numbered, for notifications and clients without blocks."""
    labels = []
    for control in actions.controls:
        if isinstance(control, Button):
            labels.append(f"{control.label} {control.url}".strip())
        else:
            labels.extend(option.label or option.value for option in control.options)
    return "\n".join(f"{number}. {label}" for number, label in enumerate(labels, 1))


def form_text(form: Form) -> str:
    """Title, text and the fields that are asked for."""
    fields = [f"{number}. {field.label or field.name}" for number, field in enumerate(form.fields, 1)]
    return "\n".join(filter(None, (form.title, form.text, *fields)))


def _element(control: Button | Select) -> dict[str, Any]:
    if isinstance(control, Select):
        return _select(control)
    element: dict[str, Any] = {"type": "button", "text": _plain(control.label or control.action_id, 75)}
    element["action_id"] = _id(control.action_id)
    if control.value:
        element["value"] = control.value[:2000]
    if control.url:
        element["url"] = control.url
    style = {ButtonStyle.PRIMARY: "primary", ButtonStyle.DANGER: "danger"}.get(control.style)
    if style:
        element["style"] = style
    return element


def _select(select: Select) -> dict[str, Any]:
    many = select.max_values > 1
    element: dict[str, Any] = {
        "type": "multi_static_select" if many else "static_select",
        "action_id": _id(select.action_id),
        "placeholder": _plain(select.placeholder or "…", 150),
        "options": _options(select.options),
    }
    if many:
        element["max_selected_items"] = select.max_values
    return element


def _input(field: FormField) -> dict[str, Any]:
    kind = field.type
    element: dict[str, Any] = {"action_id": _id(field.name)}
    if kind is FormFieldType.SELECT:
        element |= {"type": "static_select", "options": _options(field.options)}
    elif kind is FormFieldType.BOOLEAN:
        element |= {"type": "checkboxes", "options": _options((Option("true", field.label or field.name),))}
    elif kind is FormFieldType.DATE:
        element |= {"type": "datepicker"}
        if field.default_value:
            element["initial_date"] = field.default_value
    elif kind is FormFieldType.NUMBER:
        element |= {"type": "number_input", "is_decimal_allowed": True}
        if field.default_value:
            element["initial_value"] = field.default_value
    elif kind is FormFieldType.FILE:
        element |= {"type": "file_input"}
    else:
        element |= {"type": "plain_text_input", "multiline": kind is FormFieldType.PARAGRAPH}
        if field.default_value:
            element["initial_value"] = field.default_value
    return element


def _options(options: tuple[Option, ...]) -> list[dict[str, Any]]:
    if not 1 <= len(options) <= MOST_OPTIONS:
        raise InvalidArgument(f"Slack takes 1 to {MOST_OPTIONS} options", metadata={"field": "options"})
    shown = []
    for option in options:
        one: dict[str, Any] = {"text": _plain(option.label or option.value, 75), "value": option.value[:150]}
        if option.description:
            one["description"] = _plain(option.description, 75)
        shown.append(one)
    return shown


def _plain(text: str, most: int) -> dict[str, Any]:
    return {"type": "plain_text", "text": text if len(text) <= most else f"{text[: most - 1]}…"}


def _id(text: str) -> str:
    if not text or len(text) > LONGEST_ID:
        raise InvalidArgument(
            f"Slack takes ids of 1 to {LONGEST_ID} characters", metadata={"field": "action_id"}
        )
    return text
