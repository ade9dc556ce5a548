"""What the frames of a browser do: events for the kernel, answers from the history."""

from __future__ import annotations

import hashlib
import json
import time

from jackfield_sdk import (
    Bot,
    Chat,
    ChatType,
    Event,
    InteractionKind,
    InteractionReceived,
    JackfieldError,
    Mention,
    MessageReceived,
    User,
)

from jackfield_webchat import frames
from jackfield_webchat.chain import ChainError, chain_of, keys_of, message_of
from jackfield_webchat.frames import ClientFrame, FrameError
from jackfield_webchat.history import Entry, History, Room
from jackfield_webchat.history_thread import HistoryThread
from jackfield_webchat.media import MediaStore, handle
from jackfield_webchat.rooms import Connection, Rooms


class Intake:
    """Handles the frames of all connections; frames of one connection come one after another."""

    def __init__(self, history: HistoryThread, rooms: Rooms, media: MediaStore) -> None:
        self._history = history
        self._rooms = rooms
        self._media = media

    async def handle(self, bot: Bot, connection: Connection, frame: ClientFrame) -> None:
        """Does what a frame asks; what is wrong with it is answered with an error frame."""
        try:
            if frame.type == "message":
                await self._message(bot, connection, frame)
            elif frame.type == "interaction":
                await self._interaction(bot, connection, frame)
            elif frame.type == "resume":
                await self._resume(connection, frame)
            else:
                raise FrameError("UNSUPPORTED_FRAME", f"there is no frame type {frame.type[:40]!r}", frame.id)
        except FrameError as error:
            connection.send(frames.error(error.code, str(error), error.request_id))
        except JackfieldError as error:
            bot.log.warning("an event was not taken: %s", error)
            connection.send(frames.error(error.reason, error.message, frame.id))

    async def _message(self, bot: Bot, connection: Connection, frame: ClientFrame) -> None:
        room = connection.room
        if not frame.id:
            raise FrameError("INVALID_FRAME", "a message needs an `id` chosen by the client")
        connection.streams = frame.body.get("stream", True) is not False
        chain = frame.body.get("message")
        uploads = {}
        for key in keys_of(chain):
            media = await self._media.find(bot.name, key)
            if media is not None and media.room == room:
                uploads[key] = handle(media)
        try:
            message = message_of(chain, uploads)
        except ChainError as error:
            raise FrameError("INVALID_ARGUMENT", str(error), frame.id) from error
        # Made from the client's id, so that a message sent again after a lost ack is the same message.
        message_id = _name("m", connection.user, frame.id)
        now = time.time()
        # The place is taken before the event leaves: a quick reply must not stand above its question.
        seq = await self._history.run(History.reserve, room)
        mentioned = any(mention.user_id == bot.name for mention in message.all(Mention))
        payload = MessageReceived(message_id=message_id, message=message, mentions_bot=mentioned)
        event = self._event(connection, payload, frame)
        await bot.publish(event, dedup_key=f"{_scope(room)}{message_id}")
        shown, _ = chain_of(message, {})
        entry, new = await self._history.run(
            History.add,
            Entry(
                room,
                message_id,
                "user",
                shown,
                now,
                seq=seq,
                sender=connection.user,
                nickname=connection.nickname,
            ),
        )
        connection.send(frames.ack(frame.id, message_id, entry.cursor, entry.seq))
        if new:
            self._rooms.show(entry, besides=connection)

    async def _interaction(self, bot: Bot, connection: Connection, frame: ClientFrame) -> None:
        if not frame.id:
            raise FrameError("INVALID_FRAME", "an interaction needs an `id` chosen by the client")
        message_id = frame.text("message_id")
        origin = await self._history.run(History.get, connection.room, message_id)
        if origin is None or origin.deleted or origin.role != "assistant":
            raise FrameError("NOT_FOUND", "there is no such message in this session", frame.id)
        kind = InteractionKind.SELECT if frame.text("kind") == "select" else InteractionKind.BUTTON
        interaction_id = _name("i", connection.user, frame.id)
        payload = InteractionReceived(
            # The message stands in the id, so that an answer finds it without any memory.
            id=f"{message_id}/{interaction_id}",
            kind=kind,
            action_id=frame.text("action_id"),
            controls_id=frame.text("controls_id"),
            values={"value": frame.text("value", 4096)},
            message_id=message_id,
        )
        key = f"{_scope(connection.room)}{interaction_id}"
        await bot.publish(self._event(connection, payload, frame), dedup_key=key)
        connection.send(frames.ack(frame.id, message_id))

    async def _resume(self, connection: Connection, frame: ClientFrame) -> None:
        missed = await self._history.run(History.since, connection.room, frame.number("last_seen"))
        growing = {entry.message_id: entry for entry in self._rooms.growing(connection.room)}
        entries = [growing.pop(entry.message_id, entry) for entry in missed] + list(growing.values())
        shown = [frames.shown(entry, connection.id) for entry in entries]
        connection.send(*shown, frames.resumed(len(shown)))

    def _event(
        self, connection: Connection, payload: MessageReceived | InteractionReceived, frame: ClientFrame
    ) -> Event:
        return Event(
            payload=payload,
            chat=chat_of(connection.room),
            sender=User(id=connection.user, nickname=connection.nickname),
            platform_event_id=payload.message_id,
            raw_json=json.dumps(frame.body, ensure_ascii=False).encode("utf-8", "replace"),
        )


def chat_of(room: Room) -> Chat:
    """The conversation as the kernel names it."""
    return Chat(ChatType.PRIVATE if room.kind == "person" else ChatType.GROUP, room.session)


def room_of(bot: str, chat: Chat) -> Room:
    """The room of a conversation."""
    return Room(bot, "person" if chat.type is ChatType.PRIVATE else "group", chat.id)


def _scope(room: Room) -> str:
    return f"{room.kind}:{room.session}:"


def _name(prefix: str, user: str, client_id: str) -> str:
    digest = hashlib.sha256(f"{user}\0{client_id}".encode()).hexdigest()
    return f"{prefix}-{digest[:24]}"
