"""Messages: send, reply, edit, delete, forward, read, react, pin."""

from __future__ import annotations

import hashlib
from typing import Any
from urllib.parse import unquote

from jackfield_sdk import (
    Call,
    Chat,
    ContentTooLarge,
    Event,
    Forwarded,
    InvalidArgument,
    JackfieldError,
    Message,
    MessageReceived,
    NotFound,
    Quote,
    ReplyReference,
    SendResult,
    UnsentRest,
)

from jackfield_discord.account import snowflake
from jackfield_discord.convert.context import ReplyContext
from jackfield_discord.convert.events import Setting, message_event
from jackfield_discord.convert.outgoing import Part, Plan
from jackfield_discord.convert.values import table, text_of
from jackfield_discord.files import Files, uploads

# Codes of an interaction whose 15 minutes are over, or that nobody deferred.
TOKEN_OVER = ("10015", "10062", "50027", "10008")
EPHEMERAL = 1 << 6


class Messaging(Files):
    """The methods about messages."""

    async def send_message(self, call: Call, message: Message) -> SendResult:
        """Sends to a channel, a thread, or a user's private channel."""
        return await self.send_plan(call, Plan().add(message), await self.channel_of(call))

    async def reply_message(
        self, call: Call, message: Message, reference: ReplyReference, quote_origin: bool
    ) -> SendResult:
        """Sends to where it was written; an interaction is followed up through its token while that is good."""
        context = ReplyContext.decode(reference.reply_context or call.reply_context)
        if quote_origin and not context.token:
            message = Quote(message_id=reference.message_id) + message
        plan = Plan().add(message)
        channel = await self.channel_of(call, reference.reply_context)
        return await self.send_plan(call, plan, channel, context)

    async def send_plan(
        self,
        call: Call,
        plan: Plan,
        channel: str,
        context: ReplyContext | None = None,
        *,
        flags: int = 0,
        first: int = 0,
    ) -> SendResult:
        """All parts in order; what follows a refused one is told as unsent."""
        account = self.account_of(call)
        for form_id, modal in plan.forms.items():
            await account.waiting.keep_form(form_id, modal)
        ids: list[str] = []
        through = context if context is not None and context.token else None
        for number, part in enumerate(plan.parts):
            try:
                sent = None
                if through is not None:
                    sent = await self._follow_up(call, plan, part, through, flags)
                    through = through if sent is not None else None
                if sent is None:
                    sent = await self._send(call, plan, part, channel, first + number)
            except JackfieldError as error:
                if not ids:
                    raise
                return result_of(ids, plan, UnsentRest(error.reason, error.message, len(plan.parts) - number))
            ids.append(text_of(table(sent).get("id")))
        return result_of(ids, plan)

    async def edit_message(self, call: Call, message_id: str, message: Message) -> tuple[str, ...]:
        """Replaces all of one of the bot's messages. Raises ContentTooLarge for more than one message holds."""
        plan = Plan().add(message)
        if len(plan.parts) > 1:
            raise _too_long()
        await self.edit_part(call, plan, plan.parts[0], message_id, await self.channel_of(call))
        return tuple(plan.degraded)

    async def edit_part(self, call: Call, plan: Plan, part: Part, message_id: str, channel: str) -> None:
        """Replaces a message by one part. Files that it had go."""
        files = await uploads(call, part.files)
        body = {"attachments": [], **body_of(plan, part)}
        path = ("channels", channel, "messages", snowflake(message_id))
        await self.request(call, "PATCH", *path, body=body, files=files)

    async def delete_message(self, call: Call, message_id: str) -> None:
        """Deletes a message: the bot's own, or of others where it may manage messages."""
        await self.request(
            call, "DELETE", "channels", await self.channel_of(call), "messages", snowflake(message_id)
        )

    async def get_message(self, call: Call, message_id: str) -> Event:
        """Reads one message."""
        return call.bot.complete(await self._read(call, call.chat, await self.channel_of(call), message_id))

    async def forward_message(self, call: Call, source_chat: Chat, message_id: str) -> SendResult | Forwarded:
        """Forwards natively, within what the bot sees."""
        account = self.account_of(call)
        channel = await self.channel_of(call)
        source = snowflake(source_chat.thread_id or source_chat.id)
        if source_chat.type is source_chat.type.PRIVATE:
            source = await account.directory.private(source)
        reference = {"type": 1, "channel_id": source, "message_id": snowflake(message_id)}
        body = {"message_reference": reference, **_nonce(call.key, 0)}
        sent = await self.request(call, "POST", "channels", channel, "messages", body=body)
        return SendResult(message_id=text_of(table(sent).get("id")))

    async def add_reaction(self, call: Call, message_id: str, reaction: str) -> None:
        """Reacts with a character, or with a server's own as `name:id`."""
        await self._react(call, "PUT", message_id, reaction)

    async def remove_reaction(self, call: Call, message_id: str, reaction: str) -> None:
        """Takes the bot's reaction back; none is none."""
        try:
            await self._react(call, "DELETE", message_id, reaction)
        except NotFound as error:
            # 10014: nobody reacted so; anything else names the message or the channel.
            if error.metadata.get("platform_code") != "10014":
                raise

    async def send_typing(self, call: Call) -> None:
        """Shows for ten seconds that the bot writes."""
        await self.request(call, "POST", "channels", await self.channel_of(call), "typing")

    async def pin_message(self, call: Call, message_id: str) -> None:
        """Pins a message."""
        path = ("channels", await self.channel_of(call), "messages", "pins", snowflake(message_id))
        await self.request(call, "PUT", *path)

    async def unpin_message(self, call: Call, message_id: str) -> None:
        """Unpins a message; one that is not pinned stays so."""
        path = ("channels", await self.channel_of(call), "messages", "pins", snowflake(message_id))
        await self.request(call, "DELETE", *path)

    async def _react(self, call: Call, method: str, message_id: str, reaction: str) -> None:
        name = unquote(reaction).strip("<>").removeprefix("a:").removeprefix(":")
        if not name or "/" in name:
            raise InvalidArgument("this is no reaction", metadata={"field": "reaction"})
        channel = await self.channel_of(call)
        path = ("channels", channel, "messages", snowflake(message_id), "reactions", name, "@me")
        await self.request(call, method, *path)

    async def _read(self, call: Call, chat: Chat, channel: str, message_id: str) -> Event:
        native = table(
            await self.request(call, "GET", "channels", channel, "messages", snowflake(message_id))
        )
        event = message_event({"channel_id": channel, **native}, Setting(self.account_of(call).me, chat))
        assert isinstance(event.payload, MessageReceived)
        return event

    async def _send(self, call: Call, plan: Plan, part: Part, channel: str, number: int) -> Any:
        body = {**body_of(plan, part), **_nonce(call.key, number)}
        if part.stickers:
            body["sticker_ids"] = part.stickers
        if plan.quoted and part is plan.parts[0]:
            # An answer to a message that is gone is still sent.
            body["message_reference"] = {"message_id": snowflake(plan.quoted), "fail_if_not_exists": False}
        files = await uploads(call, part.files)
        return await self.request(call, "POST", "channels", channel, "messages", body=body, files=files)

    async def _follow_up(self, call: Call, plan: Plan, part: Part, context: ReplyContext, flags: int) -> Any:
        """None when the token is not good any more."""
        body = body_of(plan, part)
        if flags:
            body["flags"] = flags
        files = await uploads(call, part.files)
        path = ("webhooks", snowflake(context.application_id), context.token)
        try:
            return await self.request(call, "POST", *path, query={"wait": "true"}, body=body, files=files)
        except JackfieldError as error:
            if error.metadata.get("platform_code") not in TOKEN_OVER:
                raise
            call.bot.log.info("an interaction is over; its reply goes to the channel")
            return None


def body_of(plan: Plan, part: Part) -> dict[str, Any]:
    """A part as the body of a request."""
    body: dict[str, Any] = {
        "content": part.content,
        "embeds": part.embeds,
        "components": part.components,
        "allowed_mentions": plan.mentions(),
    }
    if part.poll is not None:
        body["poll"] = part.poll
    return body


def _nonce(key: str, number: int) -> dict[str, Any]:
    """Discord answers a repeat within some minutes with the message that the first one made."""
    if not key:
        return {}
    return {"nonce": hashlib.sha256(f"{key}/{number}".encode()).hexdigest()[:25], "enforce_nonce": True}


def result_of(ids: list[str], plan: Plan, unsent: UnsentRest | None = None) -> SendResult:
    """What came of a plan."""
    return SendResult(
        message_id=ids[0] if ids else "",
        message_ids=tuple(ids) if len(ids) > 1 else (),
        degraded=tuple(plan.degraded),
        unsent=unsent,
    )


def _too_long() -> JackfieldError:
    return ContentTooLarge("one message of Discord holds 2000 characters", metadata={"max": "2000"})
