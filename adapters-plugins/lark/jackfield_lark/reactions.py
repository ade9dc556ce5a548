"""Emoji as Lark names them."""

from __future__ import annotations

from jackfield_sdk import InvalidArgument, NotFound

from jackfield_lark.account import Account
from jackfield_lark.web import part

MOST_PAGES = 20
_NAMES = {
    "👍": "THUMBSUP", "👎": "ThumbsDown", "❤": "HEART", "🎉": "PARTY", "👀": "EYES", "✅": "CheckMark", "❌": "CrossMark", "😄": "SMILE",
    "😂": "LOL", "😢": "CRY", "🤔": "THINKING", "🔥": "Fire", "🙏": "THANKS", "👏": "APPLAUSE", "👌": "OK", "😮": "WOW", "😡": "ANGRY",
    "🌹": "ROSE", "🍺": "BEER", "💯": "Hundred", "💪": "MUSCLE", "😘": "KISS",
}  # fmt: skip


def name_of(reaction: str) -> str:
    """`👍` or `THUMBSUP`. Raises InvalidArgument for an emoji whose name is not known here."""
    text = reaction.replace("\ufe0f", "").strip(":")
    name = _NAMES.get(text, text)
    if not name or not all(char.isascii() and (char.isalnum() or char == "_") for char in name):
        raise InvalidArgument(
            "Lark takes emoji by name",
            remedy="Give the name, such as THUMBSUP.",
            metadata={"field": "reaction"},
        )
    return name


async def add(account: Account, message_id: str, reaction: str) -> None:
    """Again it is the same reaction."""
    body = {"reaction_type": {"emoji_type": name_of(reaction)}}
    await account.web.call("POST", f"/im/v1/messages/{part(message_id)}/reactions", body)


async def remove(account: Account, message_id: str, reaction: str) -> None:
    """Looks for the bot's own reaction; done when there is none."""
    path, page = f"/im/v1/messages/{part(message_id)}/reactions", None
    name = name_of(reaction)
    for _ in range(MOST_PAGES):
        data = await account.web.call("GET", path, reaction_type=name, page_size=50, page_token=page)
        for item in data.get("items") or ():
            operator = item.get("operator") or {}
            if operator.get("operator_type") == "app" and account.me.is_own(str(operator.get("operator_id"))):
                try:
                    await account.web.call("DELETE", f"{path}/{part(str(item['reaction_id']))}")
                except NotFound:
                    return
                return
        page = data.get("page_token") if data.get("has_more") else None
        if not page:
            return
