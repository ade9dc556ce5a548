"""Requests: somebody wants to be a friend, to join a group, or to have the bot in one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from jackfield_sdk import BotInvitedToGroup, Chat, FriendRequestReceived, Group, InvalidArgument, User

from jackfield_onebot.convert.parts import Parts
from jackfield_onebot.convert.values import id_of, text_of

Native = Mapping[str, Any]


def request_of(native: Native) -> Parts | None:
    """The parts of a request; None for a kind that is not known here."""
    kind, detail = text_of(native.get("request_type")), text_of(native.get("sub_type"))
    user = User(id=id_of(native.get("user_id")))
    if kind == "friend":
        payload = FriendRequestReceived(request_id=flag_id(native), text=text_of(native.get("comment")))
        return Parts(payload, Chat.private(user.id), user)
    if kind == "group" and detail == "invite":
        group = Group(id=id_of(native.get("group_id")), name=text_of(native.get("group_name")))
        invited = BotInvitedToGroup(group=group, inviter=user, request_id=flag_id(native))
        return Parts(invited, Chat.group(group.id), user)
    if kind == "group":
        return Parts.platform("group_request", native)
    return None


def flag_id(native: Native) -> str:
    """The request's id: the flag, and the account that got it, as an approval needs both."""
    return json.dumps([id_of(native.get("self_id")), text_of(native.get("flag"))], separators=(",", ":"))


def read_flag(request_id: str) -> tuple[str, str]:
    """(account, flag) of a request id; a bare flag, as people write it, names no account. Raises
    InvalidArgument."""
    if not request_id:
        raise InvalidArgument("request_id is empty", metadata={"field": "request_id"})
    try:
        fields = json.loads(request_id)
    except ValueError:
        fields = None
    if isinstance(fields, list) and len(fields) == 2 and all(isinstance(field, str) for field in fields):
        return fields[0], fields[1]
    return "", request_id
