"""What changes groups and friendships, and the actions that only this platform has."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from jackfield_sdk import Call, ChatType, InvalidArgument, NotSupported

from jackfield_onebot.caches import member_key
from jackfield_onebot.calls import Acting, act_as, group_id
from jackfield_onebot.convert.requests import read_flag
from jackfield_onebot.convert.values import native_id, refuse_host_paths, shallow

# What the platform allows at most, and what "for good" therefore becomes.
LONGEST_MUTE = timedelta(days=30)
# Platform actions → whether they only ask.
ACTIONS: Mapping[str, bool] = {
    "get_login_info": True,
    "get_status": True,
    "get_version_info": True,
    "get_group_honor_info": True,
    "set_group_card": False,
    "set_group_special_title": False,
    "set_group_admin": False,
    "set_group_whole_ban": False,
    "send_group_forward_msg": False,
    "get_forward_msg": True,
    "get_record": True,
    "get_image": True,
    "can_send_image": True,
    "can_send_record": True,
}


class Moderation(Acting):
    """The methods that change something beside messages."""

    async def set_group_name(self, call: Call, name: str) -> None:
        """Renames the group; the bot must be an administrator."""
        group = group_id(call)
        account, _ = self.account_of(call)
        await act_as(account, call, "set_group_name", {"group_id": group, "group_name": name})
        account.caches.groups.drop(str(group))

    async def mute_member(self, call: Call, user_id: str, duration: timedelta | None) -> timedelta | None:
        """For at most 30 days, which is also what "for good" becomes."""
        asked = duration if duration is not None and duration > timedelta() else LONGEST_MUTE
        granted = min(asked, LONGEST_MUTE)
        # Zero would lift it.
        seconds = max(1, int(granted.total_seconds()))
        await self._member(call, "set_group_ban", user_id, duration=seconds)
        return granted if duration is None or granted != duration else None

    async def unmute_member(self, call: Call, user_id: str) -> None:
        """A mute of 0 seconds."""
        await self._member(call, "set_group_ban", user_id, duration=0)

    async def kick_member(self, call: Call, user_id: str) -> None:
        """The member may ask to join again."""
        await self._member(call, "set_group_kick", user_id, reject_add_request=False)

    async def leave_group(self, call: Call) -> None:
        """Never dissolves a group that the bot owns."""
        group = group_id(call)
        await self.act(call, "set_group_leave", {"group_id": group, "is_dismiss": False})

    async def approve_friend_request(self, call: Call, request_id: str, reject: bool, remark: str) -> None:
        """By the flag of the request, as the account that got it."""
        account, flag = read_flag(request_id)
        params = {"flag": flag, "approve": not reject, "remark": remark}
        await self.act(call, "set_friend_add_request", params, self_id=account)

    async def approve_group_invite(self, call: Call, request_id: str, reject: bool) -> None:
        """By the flag of the invitation, as the account that got it."""
        account, flag = read_flag(request_id)
        params = {"flag": flag, "sub_type": "invite", "type": "invite", "approve": not reject}
        await self.act(call, "set_group_add_request", params, self_id=account)

    async def call_platform_api(
        self, call: Call, action: str, params: dict[str, Any]
    ) -> dict[str, Any] | None:
        """The actions of the manifest. `group_id` comes from the chat of the call when it is left out."""
        if action not in ACTIONS:
            raise NotSupported(
                f"there is no platform action {action!r:.80}",
                remedy=f"Choose one of: {', '.join(ACTIONS)}.",
                metadata={"api": "call_platform_api", "action": action[:80]},
            )
        refuse_host_paths(params)
        params = {key: _native(key, value) for key, value in params.items()}
        if call.has_chat and call.chat.type is ChatType.GROUP:
            stamped = native_id(call.chat.id)
            if params.setdefault("group_id", stamped) != stamped:
                raise InvalidArgument(
                    "group_id is another group than the call's", metadata={"field": "group_id"}
                )
        data = await self.act(call, action, params, effect=not ACTIONS[action])
        if isinstance(data, Mapping):
            return shallow(data)
        return {} if data is None else shallow({"data": data})

    async def _member(self, call: Call, action: str, user_id: str, **params: Any) -> None:
        if not user_id:
            raise InvalidArgument("user_id is empty", metadata={"field": "user_id"})
        group = group_id(call)
        account, _ = self.account_of(call)
        await act_as(account, call, action, {"group_id": group, "user_id": native_id(user_id), **params})
        account.caches.members.drop(member_key(str(group), user_id))


def _native(key: str, value: Any) -> Any:
    """Ids are text on our side and numbers on the platform's."""
    return native_id(value) if key in ("group_id", "user_id") and isinstance(value, str) else value
