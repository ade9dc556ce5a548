"""Buttons and forms as numbered text: the platform has neither."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from jackfield_sdk import Actions, Button, Control, Form


def actions_text(actions: Actions) -> str:
    """One line `<n>. <label>` for each button and each option."""
    return "\n".join(_lines(actions.controls))


def form_text(form: Form) -> str:
    """Title, text, the fields as `name (type)`, then numbered actions."""
    lines = [line for line in (form.title, form.text) if line]
    lines += [f"{field.label or field.name} ({field.type.name.lower()})" for field in form.fields]
    return "\n".join([*lines, *_lines(form.actions)])


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
