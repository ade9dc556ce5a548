"""What changes groups and their members."""

from __future__ import annotations

import time
from datetime import timedelta

from jackfield_sdk import Call

from jackfield_telegram.calls import Acting, group_id, whole

# Shorter and longer restrictions are for good, says the platform.
SHORTEST, LONGEST = timedelta(seconds=31), timedelta(days=365)
_SENDING = (
    "can_send_messages",
    "can_send_audios",
    "can_send_documents",
    "can_send_photos",
    "can_send_videos",
    "can_send_video_notes",
    "can_send_voice_notes",
    "can_send_polls",
    "can_send_other_messages",
    "can_add_web_page_previews",
)


class Moderation(Acting):
    """The bot must be an administrator with the right in question."""

    async def set_group_name(self, call: Call, name: str) -> None:
        """At most 128 characters."""
        await self.act(call, "setChatTitle", chat_id=group_id(call), title=name)

    async def mute_member(self, call: Call, user_id: str, duration: timedelta | None) -> timedelta | None:
        """Supergroups only. Less than 31 s becomes 31 s, more than a year for good."""
        group, user = group_id(call), whole(user_id, "user_id")
        granted = None
        if duration is not None and timedelta() < duration <= LONGEST:
            granted = max(duration, SHORTEST)
        until = int(time.time() + granted.total_seconds()) if granted is not None else None
        permissions = dict.fromkeys(_SENDING, False)
        await self.act(
            call,
            "restrictChatMember",
            chat_id=group,
            user_id=user,
            permissions=permissions,
            use_independent_chat_permissions=True,
            until_date=until,
        )
        return granted if granted != duration else None

    async def unmute_member(self, call: Call, user_id: str) -> None:
        """Gives every right to send; the group's own limits stay."""
        await self.act(
            call,
            "restrictChatMember",
            chat_id=group_id(call),
            user_id=whole(user_id, "user_id"),
            permissions=dict.fromkeys(_SENDING, True),
            use_independent_chat_permissions=True,
        )

    async def kick_member(self, call: Call, user_id: str) -> None:
        """The member may come back: a ban, and its end."""
        group, user = group_id(call), whole(user_id, "user_id")
        await self.act(call, "banChatMember", chat_id=group, user_id=user)
        await self.act(call, "unbanChatMember", chat_id=group, user_id=user, only_if_banned=True)

    async def leave_group(self, call: Call) -> None:
        """The bot leaves."""
        await self.act(call, "leaveChat", chat_id=group_id(call))
