"""People, chats and updates of the played platform, as the Bot API writes them."""

from __future__ import annotations

from typing import Any

ANN = {"id": 7, "is_bot": False, "first_name": "Ann", "last_name": "Lee", "username": "ann"}
BEN = {"id": 8, "is_bot": False, "first_name": "Ben"}
GROUP_ID = -1005
DATE = 1_700_000_000


def private(user: dict[str, Any] = ANN) -> dict[str, Any]:
    """The chat of a user and the bot."""
    return {"id": user["id"], "type": "private", "first_name": user["first_name"]}


def group(**fields: Any) -> dict[str, Any]:
    """A supergroup."""
    return {"id": GROUP_ID, "type": "supergroup", "title": "Garden", **fields}


def message(
    chat: dict[str, Any] | None = None, sender: dict[str, Any] = ANN, **fields: Any
) -> dict[str, Any]:
    """A message; the server gives it its id when it has none."""
    return {"message_id": 0, "date": DATE, "chat": chat or private(sender), "from": sender, **fields}


def photo(file_id: str, **fields: Any) -> list[dict[str, Any]]:
    """Two sizes of a picture."""
    small = {"file_id": f"{file_id}-s", "file_unique_id": f"u{file_id}s", "width": 90, "height": 60}
    return [
        small,
        {"file_id": file_id, "file_unique_id": f"u{file_id}", "width": 900, "height": 600, **fields},
    ]


def member(user: dict[str, Any], status: str, **fields: Any) -> dict[str, Any]:
    """A ChatMember, with what its kind requires."""
    needed: dict[str, Any] = {"status": status, "user": user}
    if status == "kicked":
        needed["until_date"] = 0
    if status == "restricted":
        names = (
            "can_send_messages can_send_audios can_send_documents can_send_photos can_send_videos can_send_video_notes"
            " can_send_voice_notes can_send_polls can_send_other_messages can_add_web_page_previews can_change_info"
            " can_invite_users can_pin_messages can_manage_topics can_react_to_messages can_edit_tag"
        )
        needed |= {**dict.fromkeys(names.split(), False), "is_member": True, "until_date": 0}
    return {**needed, **fields}


def change(
    user: dict[str, Any], old: str, new: str, *, by: dict[str, Any] | None = None, **fields: Any
) -> dict[str, Any]:
    """A ChatMemberUpdated."""
    return {
        "chat": group(),
        "from": by or user,
        "date": DATE,
        "old_chat_member": member(user, old),
        "new_chat_member": {**member(user, new), **fields},
    }
