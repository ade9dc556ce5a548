"""Messages: send, reply, delete, forward, read."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from jackfield_sdk import (
    Call,
    Chat,
    ChatType,
    ContentTooLarge,
    Event,
    Forwarded,
    InvalidArgument,
    JackfieldError,
    Message,
    MessageReceived,
    NotFound,
    NotSupported,
    PlatformError,
    Quote,
    ReplyReference,
    SendResult,
    UnsentRest,
)

from jackfield_onebot.accounts import Account
from jackfield_onebot.calls import act_as
from jackfield_onebot.convert.entities import table
from jackfield_onebot.convert.events import message_event
from jackfield_onebot.convert.media import media_in
from jackfield_onebot.convert.outgoing import Part, Plan
from jackfield_onebot.convert.values import native_id, text_of
from jackfield_onebot.lookups import Lookups
from jackfield_onebot.moderation import Moderation

# Bytes of all blobs of one message; base64 makes a third more of them, in one frame.
MOST_MEDIA = 32 << 20


class Messaging(Lookups, Moderation):
    """The methods about messages."""

    async def send_message(self, call: Call, message: Message) -> SendResult:
        """Sends to the group or friend; a long or mixed chain becomes several messages."""
        account, temporary = self.account_of(call)
        return await self._send(call, account, message, temporary)

    async def reply_message(
        self, call: Call, message: Message, reference: ReplyReference, quote_origin: bool
    ) -> SendResult:
        """Sends through the account that received the message."""
        account, temporary = self.account_of(call, reply_context=reference.reply_context)
        if quote_origin:
            message = Quote(message_id=reference.message_id) + message
        return await self._send(call, account, message, temporary)

    async def delete_message(self, call: Call, message_id: str) -> None:
        """Recalls a message: of the bot, or of others where it is an administrator."""
        await self.act(call, "delete_msg", {"message_id": native_id(message_id)})

    async def get_message(self, call: Call, message_id: str) -> Event:
        """Asks the endpoint, which knows what it has seen."""
        account, _ = self.account_of(call)
        native = await self._read(call, account, message_id)
        chat = call.chat if call.has_chat else None
        if chat is not None:
            # Many endpoints leave the chat out.
            key = "group_id" if chat.type is ChatType.GROUP else "target_id"
            native = {key: chat.id, **native}
        return call.bot.complete(message_event(native, account.self_id))

    async def forward_message(self, call: Call, source_chat: Chat, message_id: str) -> Forwarded:
        """Reads the message and sends a copy: the standard has no forwarding of one message."""
        account, temporary = self.account_of(call)
        event = message_event(await self._read(call, account, message_id), account.self_id)
        assert isinstance(event.payload, MessageReceived)
        copy = Message(s for s in event.payload.message.segments if not isinstance(s, Quote))
        return Forwarded(await self._send(call, account, copy, temporary), emulated=True)

    async def _read(self, call: Call, account: Account, message_id: str) -> Mapping[str, Any]:
        params = {"message_id": native_id(message_id)}
        data = table(await act_as(account, call, "get_msg", params, effect=False))
        if "message" not in data and "raw_message" not in data:
            raise NotFound("the endpoint has no such message", metadata={"message_id": message_id})
        sender = table(data.get("sender"))
        return {"message_id": message_id, "user_id": sender.get("user_id"), **data}

    async def _send(self, call: Call, account: Account, message: Message, temporary: str) -> SendResult:
        chat = call.chat
        if chat.type not in (ChatType.GROUP, ChatType.PRIVATE):
            raise InvalidArgument(
                "OneBot has groups and private chats only", metadata={"field": "target.chat"}
            )
        group = chat.type is ChatType.GROUP
        plan = Plan(group=group, self_id=account.self_id, blobs=await _blobs(call, message)).add(message)
        target: dict[str, Any] = (
            {"group_id": native_id(chat.id)} if group else {"user_id": native_id(chat.id)}
        )
        if temporary and not group:
            target["group_id"] = native_id(temporary)
        ids: list[str] = []
        sent = 0
        queue = list(plan.parts)
        while queue:
            part = queue.pop(0)
            try:
                data = table(await _send_part(account, call, group, target, part))
            except JackfieldError as error:
                if part.otherwise and isinstance(error, NotSupported | PlatformError | InvalidArgument):
                    plan.degrade(part.name)
                    queue[:0] = part.otherwise
                    continue
                if not sent:
                    raise
                unsent = UnsentRest(error.reason, error.message, len(queue) + 1)
                return _result(ids, plan, unsent)
            sent += 1
            if message_id := text_of(data.get("message_id")):
                ids.append(message_id)
        return _result(ids, plan)


async def _send_part(account: Account, call: Call, group: bool, target: Mapping[str, Any], part: Part) -> Any:
    if part.nodes is not None:
        params = {**target, "messages": part.nodes}
        return await act_as(account, call, "send_group_forward_msg", params)
    action = "send_group_msg" if group else "send_private_msg"
    return await act_as(account, call, action, {**target, "message": part.segments})


def _result(ids: list[str], plan: Plan, unsent: UnsentRest | None = None) -> SendResult:
    return SendResult(
        message_id=ids[0] if ids else "",
        message_ids=tuple(ids) if len(ids) > 1 else (),
        degraded=tuple(plan.degraded),
        unsent=unsent,
    )


async def _blobs(call: Call, message: Message) -> dict[str, str]:
    """Every blob of the message in base64. Raises ContentTooLarge before it is read whole."""
    blobs: dict[str, str] = {}
    total = 0
    for media in media_in(message):
        if not media.blob_id or media.blob_id in blobs:
            continue
        data = bytearray()
        async for chunk in call.bot.plugin.iter_blob(media.blob_id):
            data += chunk
            total += len(chunk)
            if total > MOST_MEDIA:
                raise ContentTooLarge(f"media of one message may have {MOST_MEDIA >> 20} MiB")
        blobs[media.blob_id] = base64.b64encode(data).decode()
    return blobs
