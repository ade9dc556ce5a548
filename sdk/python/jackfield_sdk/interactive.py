"""Controls inside a message: buttons, selects and forms. Answers come as `interaction.received` or as
text."""

from __future__ import annotations

from enum import IntEnum

from jackfield_sdk.plain import plain


class ButtonStyle(IntEnum):
    """How a button looks."""

    UNSPECIFIED = 0
    PRIMARY = 1
    DANGER = 2


class FormFieldType(IntEnum):
    """What a form field takes."""

    UNSPECIFIED = 0
    TEXT = 1
    PARAGRAPH = 2
    NUMBER = 3
    BOOLEAN = 4
    SELECT = 5
    DATE = 6
    FILE = 7


@plain
class Button:
    """Pressed once; with `url` it opens an address instead."""

    action_id: str = ""
    label: str = ""
    style: ButtonStyle = ButtonStyle.UNSPECIFIED
    url: str = ""
    value: str = ""


@plain
class Option:
    """One choice of a `Select` or of a form field."""

    value: str = ""
    label: str = ""
    description: str = ""


@plain
class Select:
    """A list to choose from."""

    action_id: str = ""
    placeholder: str = ""
    options: tuple[Option, ...] = ()
    min_values: int = 0
    max_values: int = 0


@plain
class FormField:
    """One field of a `Form`."""

    name: str = ""
    label: str = ""
    type: FormFieldType = FormFieldType.UNSPECIFIED
    required: bool = False
    default_value: str = ""
    options: tuple[Option, ...] = ()


Control = Button | Select


@plain
class Actions:
    """Buttons and selects, answered one by one. `id` comes back as `controls_id`."""

    id: str = ""
    controls: tuple[Control, ...] = ()


@plain
class Form:
    """Fields to fill in, and the buttons that send them."""

    id: str = ""
    title: str = ""
    text: str = ""
    fields: tuple[FormField, ...] = ()
    actions: tuple[Button, ...] = ()
