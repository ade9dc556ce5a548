"""From a call of the kernel to an action of the right account."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jackfield_sdk import Adapter, Call, ChatType, InvalidArgument, Unavailable

from jackfield_onebot.accounts import Account, Registry
from jackfield_onebot.connection import ACTION_SECONDS
from jackfield_onebot.convert.context import ReplyContext
from jackfield_onebot.convert.values import native_id


class Acting(Adapter):
    """What every group of methods needs: the account of a call, and its actions."""

    registry: Registry

    def account_of(self, call: Call, self_id: str = "", reply_context: bytes = b"") -> tuple[Account, str]:
        """The account that acts, and the group of a temporary private chat. Raises Unavailable."""
        if not call.bot.may_act:
            raise Unavailable("the kernel was not reached for too long to act safely")
        temporary = ""
        chat = call.chat if call.has_chat else None
        reply_context = reply_context or call.reply_context
        if reply_context and not self_id:
            context = ReplyContext.decode(reply_context, chat)
            self_id, temporary = context.self_id, context.temporary_group
        return self.registry.get(call.bot.name).account(self_id, chat), temporary

    async def act(
        self, call: Call, action: str, params: Mapping[str, Any], *, self_id: str = "", effect: bool = True
    ) -> Any:
        """Runs an action as the account of the call and returns its data."""
        account, _ = self.account_of(call, self_id)
        return await act_as(account, call, action, params, effect=effect)


async def act_as(
    account: Account, call: Call, action: str, params: Mapping[str, Any], *, effect: bool = True
) -> Any:
    """Runs an action as this account and returns its data."""
    if account.actions is None:
        raise Unavailable(f"the OneBot client of account {account.self_id} is not connected")
    timeout = min(ACTION_SECONDS, call.time_remaining())
    answer = await account.actions.call(action, params, timeout, effect=effect)
    return answer.get("data")


def group_id(call: Call) -> int | str:
    """The group of the call. Raises InvalidArgument for a private chat."""
    if call.chat.type is not ChatType.GROUP:
        raise InvalidArgument(
            "this works in groups only", metadata={"field": "target.chat", "chat": str(call.chat)}
        )
    return native_id(call.chat.id)
