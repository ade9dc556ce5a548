"""All cases in the order in which they run: what ends the process or spoils the group comes last."""

from __future__ import annotations

from jackfield_sdk.conformance.case import Case
from jackfield_sdk.conformance.cases import (
    actions,
    apis,
    consistency,
    errors,
    events,
    lifecycle,
    receiving,
    sending,
)
from jackfield_sdk.conformance.declared import Declared

TOPICS = (consistency, receiving, sending, events, errors, actions, lifecycle, apis)
KIT_VERSION = "1"


def catalogue(declared: Declared, only: tuple[str, ...] = ()) -> list[Case]:
    """The cases for one adapter; `only` names ids or keys to keep."""
    every = [case for topic in TOPICS for case in topic.cases(declared)]
    return [case for case in every if not only or case.id in only or case.key in only]
