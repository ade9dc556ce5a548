"""Albums come as one message per picture; they are put together before anything of them is acknowledged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from jackfield_telegram.convert.updates import kind_of
from jackfield_telegram.convert.values import table, text_of

Update = Mapping[str, Any]


def group_key(update: Update) -> tuple[str, str, str] | None:
    """Names the album that an update is part of; None for a message alone. Edited pictures stay alone."""
    kind = kind_of(update)
    message = table(update.get(kind))
    album = text_of(message.get("media_group_id"))
    if kind not in ("message", "channel_post") or not album:
        return None
    return kind, text_of(table(message.get("chat")).get("id")), album


def grouped(updates: Sequence[Update]) -> list[list[Update]]:
    """Updates in order; the parts of an album together, in the place of the first one."""
    groups: list[list[Update]] = []
    albums: dict[tuple[str, str, str], list[Update]] = {}
    for update in updates:
        key = group_key(update)
        if key is not None and key in albums:
            albums[key].append(update)
            continue
        groups.append([update])
        if key is not None:
            albums[key] = groups[-1]
    return groups


def unfinished(updates: Sequence[Update]) -> int | None:
    """Where the album begins that the last update is part of: more of it may be on its way. None when there is none."""
    key = group_key(updates[-1]) if updates else None
    if key is None:
        return None
    return next(index for index, update in enumerate(updates) if group_key(update) == key)
