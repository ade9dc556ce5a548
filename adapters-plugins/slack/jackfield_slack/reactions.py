"""Emoji as Slack names them."""

from __future__ import annotations

from jackfield_sdk import InvalidArgument

_NAMES = {
    "👍": "thumbsup", "👎": "thumbsdown", "❤": "heart", "🎉": "tada", "👀": "eyes", "🚀": "rocket", "✅": "white_check_mark",
    "❌": "x", "😄": "smile", "😂": "joy", "😢": "cry", "🤔": "thinking_face", "🔥": "fire", "🙏": "pray", "👏": "clap",
    "💯": "100", "⏳": "hourglass_flowing_sand", "⚠": "warning", "👌": "ok_hand", "😮": "open_mouth", "😡": "rage", "🤖": "robot_face",
}  # fmt: skip


def name_of(reaction: str) -> str:
    """`👍`, `:thumbsup:` or `thumbsup`. Raises InvalidArgument for an emoji whose name is not known here."""
    text = reaction.replace("\ufe0f", "").strip(":")
    name = _NAMES.get(text, text)
    if not name or not all(char.isascii() and (char.isalnum() or char in "_+-':") for char in name):
        raise InvalidArgument(
            "Slack takes emoji by name",
            remedy="Give the name, such as thumbsup.",
            metadata={"field": "reaction"},
        )
    return name
