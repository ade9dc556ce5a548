"""Buttons, choices and forms as components, and what stands behind them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from jackfield_sdk import (
    Actions,
    Button,
    ButtonStyle,
    ContentTooLarge,
    Control,
    Form,
    FormFieldType,
    InvalidArgument,
)

# Characters of a `custom_id`.
LONGEST_ID = 100
MOST_ROWS, ROW = 5, 5
MOST_OPTIONS = 25
MOST_FIELDS = 5
LONGEST_LABEL, LONGEST_FIELD = 80, 45
_STYLES = {ButtonStyle.PRIMARY: 1, ButtonStyle.DANGER: 4}
_SECONDARY, _LINK = 2, 5
_MARK = "["
# Opens a form; the form itself is kept by the adapter.
OPENS = "form"


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a control means: the names its author gave."""

    action_id: str
    controls_id: str = ""
    value: str = ""
    opens: str = ""

    def encode(self) -> str:
        """As `custom_id`. Raises ContentTooLarge: Discord keeps 100 characters."""
        parts = [self.action_id, self.controls_id, self.value, self.opens]
        while len(parts) > 1 and not parts[-1]:
            parts.pop()
        text = json.dumps(parts, ensure_ascii=False, separators=(",", ":"))
        if len(text) > LONGEST_ID:
            raise ContentTooLarge(
                f"Discord keeps {LONGEST_ID} characters behind a control, this one needs {len(text)}",
                remedy="Use shorter ids and values, and keep what they stand for in the plugin's own store.",
                metadata={"field": "action_id", "max": str(LONGEST_ID)},
            )
        return text

    @classmethod
    def decode(cls, text: str) -> Meaning:
        """Reads it back; of other origin it is the action's id itself."""
        if text.startswith(_MARK):
            try:
                parts = json.loads(text)
            except (ValueError, RecursionError):
                parts = None
            if (
                isinstance(parts, list)
                and 1 <= len(parts) <= 4
                and all(isinstance(part, str) for part in parts)
            ):
                return cls(*parts)
        return cls(text)


def rows_of(actions: Actions) -> list[dict[str, Any]]:
    """Rows of components: five buttons in a row, each choice in a row of its own."""
    rows: list[dict[str, Any]] = []
    buttons: list[dict[str, Any]] = []
    for control in actions.controls:
        if isinstance(control, Button):
            buttons.append(button_of(control, actions.id))
            continue
        rows += _packed(buttons)
        buttons = []
        rows.append(_row([_select(control, actions.id)]))
    return _bounded(rows + list(_packed(buttons)))


def button_of(button: Button, controls_id: str, opens: str = "") -> dict[str, Any]:
    """One button."""
    label = (button.label or button.action_id)[:LONGEST_LABEL] or "\u200b"
    if button.url:
        return {"type": 2, "style": _LINK, "label": label, "url": button.url}
    meaning = Meaning(button.action_id, controls_id, button.value, opens)
    style = _STYLES.get(button.style, _SECONDARY)
    return {"type": 2, "style": style, "label": label, "custom_id": meaning.encode()}


def form_button(form: Form) -> list[dict[str, Any]]:
    """The button under a form's text that opens its fields, with the form's other buttons."""
    first = form.actions[0] if form.actions else Button("submit", form.title or "Open")
    buttons = [button_of(first, form.id, OPENS), *(button_of(other, form.id) for other in form.actions[1:])]
    return _bounded(list(_packed(buttons)))


def modal_of(form: Form) -> dict[str, Any]:
    """The window with the fields. Raises InvalidArgument for more than five."""
    if not 1 <= len(form.fields) <= MOST_FIELDS:
        raise InvalidArgument(f"Discord shows 1 to {MOST_FIELDS} fields", metadata={"field": "fields"})
    action = form.actions[0].action_id if form.actions else "submit"
    fields = [
        {
            "type": 4,
            "custom_id": field.name[:LONGEST_ID],
            "label": (field.label or field.name)[:LONGEST_FIELD],
            "style": 2 if field.type is FormFieldType.PARAGRAPH else 1,
            "required": field.required,
            **({"value": field.default_value[:4000]} if field.default_value else {}),
        }
        for field in form.fields
    ]
    return {
        "custom_id": Meaning(action, form.id).encode(),
        "title": (form.title or "Form")[:LONGEST_FIELD],
        "components": [_row([field]) for field in fields],
    }


def _select(control: Control, controls_id: str) -> dict[str, Any]:
    assert not isinstance(control, Button)
    if not 1 <= len(control.options) <= MOST_OPTIONS:
        raise InvalidArgument(f"Discord shows 1 to {MOST_OPTIONS} options", metadata={"field": "options"})
    options = [
        {
            "label": (option.label or option.value)[:LONGEST_ID],
            "value": option.value[:LONGEST_ID],
            **({"description": option.description[:LONGEST_ID]} if option.description else {}),
        }
        for option in control.options
    ]
    most = min(max(control.max_values, 1), len(options))
    return {
        "type": 3,
        "custom_id": Meaning(control.action_id, controls_id).encode(),
        "options": options,
        "min_values": min(control.min_values if control.max_values else 1, most),
        "max_values": most,
        **({"placeholder": control.placeholder[:150]} if control.placeholder else {}),
    }


def _packed(buttons: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for start in range(0, len(buttons), ROW):
        yield _row(buttons[start : start + ROW])


def _row(components: Iterable[dict[str, Any]]) -> dict[str, Any]:
    return {"type": 1, "components": list(components)}


def _bounded(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    if len(rows) > MOST_ROWS:
        raise InvalidArgument(f"Discord shows {MOST_ROWS} rows of controls, these need {len(rows)}")
    return rows
