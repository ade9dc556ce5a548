"""The adapter: requests become events, messages become requests. Every part of an answer is numbered, the last one is final."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable, Iterable
from typing import Any

import aiohttp
from jackfield_sdk import (
    Adapter,
    Bot,
    Call,
    CloseReason,
    InvalidArgument,
    Message,
    Plugin,
    ReplyReference,
    SendResult,
    StreamSteps,
    Text,
    User,
)
from jackfield_sdk.ingress import HttpRequest, HttpResponse

from jackfield_webhook import __version__
from jackfield_webhook.inbound import LONGEST_ID, event_of
from jackfield_webhook.outbound import Poster, chat_json, message_json
from jackfield_webhook.signing import KEY


class Webhook(Adapter):
    """Speaks with programs."""

    stream_interval = 1.0

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._http: aiohttp.ClientSession

    async def setup(self) -> None:
        self._http = aiohttp.ClientSession(trust_env=True)

    async def teardown(self) -> None:
        await self._http.close()

    async def open_bot(self, bot: Bot) -> User:
        if not bot.config.get("secret"):
            raise InvalidArgument(
                f"the bot {bot.name} has no secret",
                remedy="Set `secret` of the bot (WEBHOOK_SECRET), at least 16 characters.",
                metadata={"field": "secret"},
            )
        bot.connection = Poster(bot, self._http, self._now)
        return User(id=bot.name, nickname=bot.name, is_bot=True)

    async def close_bot(self, bot: Bot, reason: CloseReason) -> bytes | None:
        return None

    async def handle_request(self, call: Call, request: HttpRequest) -> HttpResponse:
        key = request.header(KEY)
        if not key.isprintable() or len(key) > LONGEST_ID:
            raise InvalidArgument(f"{KEY}: expected 1 to {LONGEST_ID} printable characters")
        try:
            event = event_of(request.json(), key)
        except InvalidArgument as error:
            # The caller proved that it knows the secret: it is told what is wrong.
            return HttpResponse.json({"error": error.reason, "message": error.message}, 400)
        event_id = await call.bot.publish(event, dedup_key=key)
        return HttpResponse.json({"event_id": event_id}, 202)

    # Out.

    async def send_message(self, call: Call, message: Message) -> SendResult:
        return await self._send(call, message, {})

    async def reply_message(
        self, call: Call, message: Message, reference: ReplyReference, quote_origin: bool
    ) -> SendResult:
        return await self._send(call, message, {"reply_to": reference.message_id, "quote": quote_origin})

    async def stream_reply(self, call: Call, steps: StreamSteps) -> SendResult:
        opening = steps.opening
        about = {"reply_to": opening.reference.message_id} if opening.reference is not None else {}
        message_id, part, due = _message_id(call), 0, 0.0
        async for step in steps:
            if not step.is_final and (not step.text or self._now() < due):
                continue
            part += 1
            message = Message(Text(step.text, opening.format), step.attachments or Message())
            await self._part(call, message_id, part, message, about, is_final=step.is_final)
            due = self._now() + self.stream_interval
        return SendResult(message_id=message_id)

    async def edit_message(self, call: Call, message_id: str, message: Message) -> Iterable[str] | None:
        await self._say(call, "edit", {"message_id": message_id, **await message_json(call.bot, message)})
        return None

    async def delete_message(self, call: Call, message_id: str) -> None:
        await self._say(call, "delete", {"message_id": message_id})

    async def add_reaction(self, call: Call, message_id: str, reaction: str) -> None:
        await self._say(call, "reaction", {"message_id": message_id, "reaction": reaction, "removed": False})

    async def remove_reaction(self, call: Call, message_id: str, reaction: str) -> None:
        await self._say(call, "reaction", {"message_id": message_id, "reaction": reaction, "removed": True})

    async def send_typing(self, call: Call) -> None:
        await self._say(call, "typing", {})

    async def answer_interaction(
        self,
        call: Call,
        interaction_id: str,
        message: Message | None,
        reply_context: bytes,
        ephemeral: bool,
        replace_origin: bool,
    ) -> SendResult | None:
        about = {"interaction_id": interaction_id, "ephemeral": ephemeral, "replace_origin": replace_origin}
        if message is None:
            await self._say(call, "interaction_settled", {"interaction_id": interaction_id})
            return None
        return await self._send(call, message, about)

    async def _send(self, call: Call, message: Message, about: dict[str, Any]) -> SendResult:
        message_id = _message_id(call)
        await self._part(call, message_id, 1, message, about, is_final=True)
        return SendResult(message_id=message_id)

    async def _part(
        self,
        call: Call,
        message_id: str,
        part: int,
        message: Message,
        about: dict[str, Any],
        *,
        is_final: bool,
    ) -> None:
        """Every part holds the whole text so far: a receiver that misses one loses nothing."""
        content = {
            "type": "message",
            "bot": call.bot.name,
            "chat": chat_json(call.chat),
            "id": message_id,
            "part": part,
            "is_final": is_final,
            **about,
            **await message_json(call.bot, message),
        }
        name = f"{message_id}.final" if is_final else f"{message_id}.{part}.{_digest(message.text)}"
        await _poster(call).post(name, content)

    async def _say(self, call: Call, kind: str, content: dict[str, Any]) -> None:
        key = f"{kind}-{_digest(call.key) if call.key else secrets.token_hex(12)}"
        about = {"type": kind, "bot": call.bot.name, "chat": chat_json(call.chat)}
        await _poster(call).post(key, {**about, **content})


def _message_id(call: Call) -> str:
    """The same for every repeat of a call: the receiver knows it again."""
    return f"m-{_digest(call.key) if call.key else secrets.token_hex(12)}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def _poster(call: Call) -> Poster:
    poster: Poster = call.bot.connection
    return poster


def create_plugin(now: Callable[[], float] = time.time) -> Plugin:
    """The plugin with its adapter."""
    plugin = Plugin("webhook", version=__version__)
    plugin.adapter(Webhook(now))
    return plugin
