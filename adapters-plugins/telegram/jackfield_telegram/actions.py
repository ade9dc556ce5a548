"""Actions that only this platform has. Their parameters are those of the Bot API; the chat is the call's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jackfield_sdk import Call, InvalidArgument, NotSupported

from jackfield_telegram.calls import Acting, chat_id
from jackfield_telegram.convert.values import native_id, shallow


@dataclass(frozen=True, slots=True)
class Action:
    """A method of the Bot API and the parameters it takes beside the chat."""

    method: str
    params: tuple[str, ...] = ()
    safe: bool = False
    # Whether it is about a chat.
    chat: bool = True


ACTIONS: Mapping[str, Action] = {
    "get_me": Action("getMe", safe=True, chat=False),
    "get_chat_administrators": Action("getChatAdministrators", safe=True),
    "get_chat_member_count": Action("getChatMemberCount", safe=True),
    "send_chat_action": Action("sendChatAction", ("action",), safe=True),
    "answer_callback_query": Action(
        "answerCallbackQuery", ("callback_query_id", "text", "show_alert", "url", "cache_time"), chat=False
    ),
    "pin_message": Action("pinChatMessage", ("message_id", "disable_notification")),
    "unpin_message": Action("unpinChatMessage", ("message_id",)),
    "unpin_all_messages": Action("unpinAllChatMessages"),
    "set_chat_title": Action("setChatTitle", ("title",)),
    "set_chat_description": Action("setChatDescription", ("description",)),
    "create_chat_invite_link": Action(
        "createChatInviteLink", ("name", "expire_date", "member_limit", "creates_join_request")
    ),
    "approve_chat_join_request": Action("approveChatJoinRequest", ("user_id",)),
    "decline_chat_join_request": Action("declineChatJoinRequest", ("user_id",)),
    "stop_poll": Action("stopPoll", ("message_id",)),
    "close_forum_topic": Action("closeForumTopic", ("message_thread_id",)),
    "reopen_forum_topic": Action("reopenForumTopic", ("message_thread_id",)),
    "delete_forum_topic": Action("deleteForumTopic", ("message_thread_id",)),
    "ban_chat_member": Action("banChatMember", ("user_id", "until_date", "revoke_messages")),
    "unban_chat_member": Action("unbanChatMember", ("user_id", "only_if_banned")),
    "promote_chat_member": Action(
        "promoteChatMember",
        (
            "user_id",
            "can_manage_chat",
            "can_delete_messages",
            "can_restrict_members",
            "can_promote_members",
            "can_change_info",
            "can_invite_users",
            "can_pin_messages",
            "can_manage_topics",
        ),
    ),
}
_IDS = ("message_id", "user_id", "message_thread_id")


class Actions(Acting):
    """The platform's actions."""

    async def call_platform_api(
        self, call: Call, action: str, params: dict[str, Any]
    ) -> dict[str, Any] | None:
        """The actions of the manifest. `chat_id`, when given, must be the call's chat."""
        known = ACTIONS.get(action)
        if known is None:
            raise NotSupported(
                f"there is no platform action {action!r:.80}",
                remedy=f"Choose one of: {', '.join(ACTIONS)}.",
                metadata={"api": "call_platform_api", "action": action[:80]},
            )
        unknown = sorted(set(params) - {*known.params, "chat_id"})
        if unknown:
            raise InvalidArgument(
                f"{action} takes no {unknown[0]!r:.80}",
                remedy=f"It takes: {', '.join(known.params) or 'nothing'}.",
                metadata={"field": unknown[0][:80]},
            )
        given = {
            key: native_id(value) if key in _IDS and isinstance(value, str) else value
            for key, value in params.items()
            if key != "chat_id"
        }
        if known.chat:
            stamped = chat_id(call)
            if "chat_id" in params and native_id(str(params["chat_id"])) != stamped:
                raise InvalidArgument(
                    "chat_id is another chat than the call's", metadata={"field": "chat_id"}
                )
            given["chat_id"] = stamped
        answer = await self.act(call, known.method, **given)
        return shallow(answer) if isinstance(answer, Mapping) else shallow({"result": answer})
