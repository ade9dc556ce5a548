"""What an event does not say of itself: where a message stands and whether a chat is private."""

from __future__ import annotations

from typing import Any

from jackfield_sdk import NotFound

from jackfield_lark.convert.context import Place, Self
from jackfield_lark.web import Web, part


async def item_of(web: Web, message_id: str) -> dict[str, Any]:
    """One message as Lark keeps it. Raises NotFound."""
    data = await web.call("GET", f"/im/v1/messages/{part(message_id)}")
    items = data.get("items")
    item = items[0] if isinstance(items, list) and items else None
    if not isinstance(item, dict) or item.get("deleted"):
        raise NotFound("there is no such message", metadata={"message_id": message_id})
    return item


async def place_of(web: Web, me: Self, message_id: str) -> Place:
    """Where a message stands; asked for where nothing told it. Raises typed errors."""
    if message_id not in me.places:
        item = await item_of(web, message_id)
        chat, thread, kind = (str(item.get(name) or "") for name in ("chat_id", "thread_id", "msg_type"))
        me.place(message_id, Place(chat, thread, kind))
    return me.places[message_id]


async def learn_chat(web: Web, me: Self, chat: str) -> None:
    """Whether a chat is private, where nothing told it. Raises typed errors."""
    if chat not in me.kinds:
        found = await web.call("GET", f"/im/v1/chats/{part(chat)}")
        me.learn(chat, str(found.get("chat_mode") or ""))
