"""Stage: black list or white list of people and groups."""

from __future__ import annotations

from jackfield_sdk import Event

from jackfield_pipeline.settings import Access

PERSON, GROUP = "person", "group"


def admitted(event: Event, access: Access) -> bool:
    """Whether the sender may be answered in this chat."""
    listed = any(_fits(entry, event) for entry in access.entries)
    return listed if access.mode == "whitelist" else not listed


def _fits(entry: str, event: Event) -> bool:
    """`person_<id>` is a private chat's sender, `group_<id>` a chat of many, `*_<id>` either sender or chat."""
    kind, _, wanted = entry.partition("_")
    sender = event.sender.id if event.sender is not None else ""
    chat = event.chat.id if event.chat is not None else ""
    if kind == "*":
        return wanted in ("*", sender, chat)
    if kind == PERSON:
        return event.is_private and wanted in ("*", sender, chat)
    return kind == GROUP and not event.is_private and wanted in ("*", chat)
