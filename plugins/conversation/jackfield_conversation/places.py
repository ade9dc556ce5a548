"""Keys of places. This is the only function that builds one: nobody else joins ids."""

from __future__ import annotations

from jackfield_sdk import Chat


def place_key(bot: str, chat: Chat, user_id: str = "") -> str:
    """`<bot>:<type>:<chat>[:<thread>][:<user>]`; separators inside ids are escaped, so no two places share a key.

    The key of a user's place always has the field of the thread, perhaps empty: a thread `42` is not a user `42`.
    """
    key = f"{bot}:{chat}"
    if not user_id:
        return key
    thread = "" if chat.thread_id else ":"
    return f"{key}{thread}:{escaped(user_id)}"


def escaped(part: str) -> str:
    """An id with `%` and `:` percent-encoded."""
    return part.replace("%", "%25").replace(":", "%3A")
