"""What an answer asks for, done through the broker with the plugin's own grants and no others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from google.protobuf.json_format import ParseDict, ParseError
from jackfield.v1 import adapter_bot_pb2, adapter_group_pb2, adapter_message_pb2, message_pb2
from jackfield_sdk import (
    Chat,
    ChatType,
    Context,
    InvalidArgument,
    JackfieldError,
    LeaseLost,
    Message,
    Target,
    Text,
    convert,
)
from jackfield_sdk.calling import ADAPTER

MOST_ACTIONS = 32
_CALLS: dict[str, tuple[str, Any]] = {
    "approve_friend_request": ("ApproveFriendRequest", adapter_bot_pb2),
    "approve_group_invite": ("ApproveGroupInvite", adapter_bot_pb2),
    "edit_message": ("EditMessage", adapter_message_pb2),
    "delete_message": ("DeleteMessage", adapter_message_pb2),
    "add_reaction": ("AddReaction", adapter_message_pb2),
    "mute_member": ("MuteMember", adapter_group_pb2),
    "unmute_member": ("UnmuteMember", adapter_group_pb2),
    "kick_member": ("KickMember", adapter_group_pb2),
}
ACTIONS = frozenset({"reply", "send_message", "call_platform_api", *_CALLS})


async def perform(ctx: Context, answer: Any, allowed: Sequence[str]) -> None:
    """In order. An unknown or unallowed one is passed over; one that fails stops the rest unless it is `optional`."""
    actions = answer.get("actions") if isinstance(answer, dict) else None
    if actions is None:
        return
    if not isinstance(actions, list) or len(actions) > MOST_ACTIONS:
        raise InvalidArgument(f"actions: expected a list of at most {MOST_ACTIONS}")
    for index, action in enumerate(actions):
        kind = action.get("type") if isinstance(action, dict) else None
        if kind not in ACTIONS or kind not in allowed:
            ctx.log.warning("action %d is %s", index, "not allowed" if kind in ACTIONS else "unknown")
            continue
        try:
            await _perform(ctx, str(kind), action.get("params") or {}, f"action/{index}")
        except LeaseLost:
            raise
        except (JackfieldError, ParseError, LookupError, ValueError, TypeError, AttributeError) as error:
            if isinstance(error, JackfieldError) and error.retryable:
                raise
            ctx.log.warning("action %d (%s) failed: %s", index, kind, error)
            if not action.get("optional"):
                ctx.log.warning("%d actions after it are not done", len(actions) - index - 1)
                return
        else:
            ctx.log.info("action %d (%s) is done", index, kind)


async def _perform(ctx: Context, kind: str, params: dict[str, Any], key: str) -> None:
    if kind == "reply":
        await ctx.reply(message_of(params.get("message")), key=key)
    elif kind == "send_message":
        chat_type = ChatType[str(params.get("target_type", "private")).upper()]
        target = Target(bot=ctx.bot, chat=Chat(chat_type, str(params["target_id"])))
        await ctx.send(target, message_of(params.get("message")), key=key)
    elif kind == "call_platform_api":
        await ctx.platform(str(params["action"]), params.get("params") or {}, key=key)
    else:
        method, module = _CALLS[kind]
        params = dict(params)
        if "message" in params:
            params["message"] = {"segments": _segments(params["message"])}
        request = ParseDict(params, getattr(module, f"{method}Request")())
        await ctx.call(ADAPTER + method, request, getattr(module, f"{method}Response"), key=key)


def message_of(value: Any) -> Message:
    """A text, or a list of segments: `{"type": "Plain", "text": ...}` or protobuf JSON. Raises ParseError, ValueError."""
    if isinstance(value, str):
        return Message(Text(value))
    proto = ParseDict({"segments": _segments(value)}, message_pb2.Message())
    message: Message = convert.message_to_plain(proto)
    return message


def _segments(value: Any) -> list[Any]:
    if isinstance(value, str):
        return [{"text": {"text": value}}]
    if isinstance(value, dict):
        value = value.get("segments")
    if not isinstance(value, list) or not value:
        raise ValueError("message: expected a text or a list of segments")
    return [
        {"text": {"text": str(one.get("text", ""))}} if one.get("type") in ("Plain", "text") else one
        for one in value
    ]
