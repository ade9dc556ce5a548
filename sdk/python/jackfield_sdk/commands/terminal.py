"""The terminal as a chat platform: an adapter with one bot and one chat."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterable

import typer

from jackfield_sdk.adapter import Adapter
from jackfield_sdk.adapter_types import CloseReason, SendResult
from jackfield_sdk.bot import Bot
from jackfield_sdk.commands.screen import visible
from jackfield_sdk.entity import Chat, User
from jackfield_sdk.event import Event
from jackfield_sdk.incoming import Call, StreamSteps
from jackfield_sdk.interactive import Actions, Button
from jackfield_sdk.message import File, Image, Media, Message, Video, Voice
from jackfield_sdk.payload import InteractionKind, InteractionReceived, MessageReceived

MANIFEST = """\
manifest: 1
name: {plugin}
version: 0.1.0
contract: 1
kind: adapter
title: {{en: Terminal, zh: 终端}}
description: {{en: A conversation in a terminal., zh: 终端中的对话。}}
run: {{remote: true}}
provides:
  services: [jackfield.v1.Adapter]
  platform: terminal
  intake: unacknowledged
  events: [message.received, interaction.received]
  apis: [send_message, reply_message, stream_reply, edit_message, get_capabilities]
  segments:
    receive: [text]
    send: [text, mention, quote, image, voice, video, file, actions]
  default_bots: [{{name: {bot}}}]
"""


class Terminal(Adapter):
    """Prints what is sent. `choices` holds what a typed number presses: the controls shown last."""

    platform = "terminal"
    events = ("message.received", "interaction.received")
    receive_segments = ("text",)
    send_segments = ("text", "mention", "quote", "image", "voice", "video", "file", "actions")

    def __init__(self, user: str, *, live: bool) -> None:
        self._user = user
        self._live = live
        self._numbers = itertools.count(1)
        self._opened: asyncio.Future[Bot] = asyncio.get_running_loop().create_future()
        self._choices: list[InteractionReceived] = []

    async def opened(self) -> Bot:
        """The bot, once the kernel opened it."""
        return await asyncio.shield(self._opened)

    async def open_bot(self, bot: Bot) -> User:
        """There is nothing to connect to."""
        if not self._opened.done():
            self._opened.set_result(bot)
        return User(id=bot.name, nickname=bot.name)

    async def close_bot(self, bot: Bot, reason: CloseReason) -> bytes | None:
        """There is nothing to give back."""
        return None

    async def said(self, line: str) -> str:
        """Publishes a line as a message, or as a press of the control with that number.

        Returns the event's id.
        """
        bot = await self.opened()
        payload: MessageReceived | InteractionReceived
        if line.isdecimal() and 0 < int(line) <= len(self._choices):
            payload = self._choices[int(line) - 1]
        else:
            payload = MessageReceived(message_id=self._next_id(), message=Message(line))
        event = Event(payload=payload, chat=Chat.private(self._user), sender=User(id=self._user))
        return await bot.publish(event)

    async def send_message(self, call: Call, message: Message) -> SendResult:
        """Prints a message."""
        message_id = self._next_id()
        self._print(self._text(message, message_id))
        return SendResult(message_id=message_id)

    async def edit_message(self, call: Call, message_id: str, message: Message) -> Iterable[str] | None:
        """What is printed stays; the new text follows."""
        self._print(f"(edited) {self._text(message, message_id)}")
        return None

    async def stream_reply(self, call: Call, steps: StreamSteps) -> SendResult:
        """On a terminal the text appears as it grows; in a file only as it is at the end."""
        message_id, shown, text = self._next_id(), "", ""
        attachments = Message()
        async for step in steps:
            text = visible(step.text)
            attachments = step.attachments or attachments
            if not self._live or text == shown:
                continue
            if shown and not text.startswith(shown):
                typer.echo("\n(edited) ", nl=False)
                shown = ""
            typer.secho(text.removeprefix(shown), fg=typer.colors.GREEN, nl=False)
            shown = text
        if self._live:
            typer.echo("")
        else:
            self._print(text)
        if attachments:
            self._print(self._text(attachments, message_id))
        return SendResult(message_id=message_id)

    def _next_id(self) -> str:
        return str(next(self._numbers))

    def _print(self, text: str) -> None:
        typer.secho(visible(text), fg=typer.colors.GREEN if self._live else None)

    def _text(self, message: Message, message_id: str) -> str:
        parts = []
        for segment in message:
            if isinstance(segment, Actions):
                parts.append(self._actions(segment, message_id))
            elif isinstance(segment, Image | Voice | Video | File) and segment.media is not None:
                parts.append(f"[{type(segment).__name__}: {_where(segment.media)}]")
            else:
                parts.append(Message(segment).plain())
        return "".join(parts)

    def _actions(self, actions: Actions, message_id: str) -> str:
        lines, self._choices = [""], []
        for control in actions.controls:
            if isinstance(control, Button):
                if control.url:
                    lines.append(f"  - {control.label}: {control.url}")
                    continue
                pressed = InteractionReceived(
                    id=self._next_id(),
                    kind=InteractionKind.BUTTON,
                    action_id=control.action_id,
                    controls_id=actions.id,
                    values={"value": control.value} if control.value else None,
                    message_id=message_id,
                )
                self._choices.append(pressed)
                lines.append(f"  {len(self._choices)}. {control.label}")
                continue
            lines.append(f"  {control.placeholder}".rstrip())
            for option in control.options:
                chosen = InteractionReceived(
                    id=self._next_id(),
                    kind=InteractionKind.SELECT,
                    action_id=control.action_id,
                    controls_id=actions.id,
                    values={control.action_id: [option.value]},
                    message_id=message_id,
                )
                self._choices.append(chosen)
                lines.append(f"  {len(self._choices)}. {option.label}")
        return "\n".join(line for number, line in enumerate(lines) if line or number == 0)


def _where(media: Media) -> str:
    return media.name or media.url or media.blob_id or media.platform_id
