"""Buttons and selects as inline keyboards; forms, and what no keyboard holds, as numbered text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from jackfield_sdk import Actions, Button, Control, Form, InteractionKind

from jackfield_telegram.convert.callback import DISLIKE, LIKE, Pressed

# More buttons than this are refused.
MOST_BUTTONS = 100
LONGEST_LABEL = 64
# Labels up to this length stand side by side.
_SHORT = 14
_IN_A_ROW = 3
_LINK = re.compile(r"(?:https?|tg)://\S+$", re.IGNORECASE)

Native = dict[str, Any]


class Keyboard:
    """The rows of one message, and what has to be kept behind its buttons by key."""

    def __init__(self) -> None:
        self.rows: list[list[Native]] = []
        self.kept: dict[str, str] = {}

    @property
    def markup(self) -> Native | None:
        """As the platform takes it; None without buttons."""
        return {"inline_keyboard": self.rows} if self.rows else None

    def actions(self, actions: Actions) -> bool:
        """Adds buttons and options; False when they do not fit. True also means that all of it is native."""
        count = sum(len(c.options) if not isinstance(c, Button) else 1 for c in actions.controls)
        if not count or self._count() + count > MOST_BUTTONS:
            return False
        native = True
        buttons: list[Native] = []
        for control in actions.controls:
            if isinstance(control, Button):
                if (button := self._button(control, actions.id, InteractionKind.BUTTON)) is not None:
                    buttons.append(button)
                else:
                    native = False
                continue
            for option in control.options:
                meaning = Pressed(InteractionKind.SELECT, control.action_id, actions.id, option.value)
                buttons.append(self._pressable(option.label or option.value, meaning))
            native = native and control.max_values <= 1
        self._lay_out(buttons)
        return native

    def form_buttons(self, form: Form) -> None:
        """The buttons of a form that asks for nothing."""
        found = (self._button(button, form.id, InteractionKind.FORM) for button in form.actions)
        self._lay_out([button for button in found if button is not None])

    def feedback(self) -> None:
        """Like and dislike."""
        for label, action in (("👍", LIKE), ("👎", DISLIKE)):
            button = self._pressable(label, Pressed(InteractionKind.BUTTON, action))
            if action == LIKE:
                self.rows.append([])
            self.rows[-1].append(button)

    def _count(self) -> int:
        return sum(len(row) for row in self.rows)

    def _button(self, button: Button, controls_id: str, kind: InteractionKind) -> Native | None:
        label = (button.label or button.action_id or button.url)[:LONGEST_LABEL]
        if button.url:
            return {"text": label, "url": button.url} if _LINK.match(button.url) else None
        return self._pressable(label, Pressed(kind, button.action_id, controls_id, button.value))

    def _pressable(self, label: str, meaning: Pressed) -> Native:
        data, kept = meaning.encode()
        if kept:
            self.kept[data] = kept
        return {"text": label[:LONGEST_LABEL] or "…", "callback_data": data}

    def _lay_out(self, buttons: list[Native]) -> None:
        wide = _IN_A_ROW if all(len(button["text"]) <= _SHORT for button in buttons) else 1
        self.rows += [buttons[start : start + wide] for start in range(0, len(buttons), wide)]


def actions_text(actions: Actions) -> str:
    """One line `<n>. <label>` for each button and each option."""
    return "\n".join(_lines(actions.controls))


def select_text(actions: Actions) -> str:
    """What the selects ask for."""
    return "\n".join(c.placeholder for c in actions.controls if not isinstance(c, Button) and c.placeholder)


def form_text(form: Form, *, numbered: bool) -> str:
    """Title, text, the fields as `name (type)`, then the numbered actions."""
    lines = [line for line in (form.title, form.text) if line]
    lines += [f"{field.label or field.name} ({field.type.name.lower()})" for field in form.fields]
    return "\n".join([*lines, *(_lines(form.actions) if numbered else ())])


def _lines(controls: Iterable[Control]) -> Iterator[str]:
    number = 0
    for control in controls:
        if isinstance(control, Button):
            if control.url:
                yield f"{control.label}: {control.url}"
                continue
            number += 1
            yield f"{number}. {control.label}"
            continue
        if control.placeholder:
            yield control.placeholder
        for option in control.options:
            number += 1
            yield f"{number}. {option.label or option.value}"
