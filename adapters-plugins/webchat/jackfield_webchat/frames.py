"""The frames of the WebSocket: reading the client's, building the server's."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from jackfield_webchat.chain import text_of
from jackfield_webchat.history import Entry, Room, TextState

Frame = dict[str, Any]

# A frame of either side, in bytes.
MAX_FRAME = 1 << 20
MAX_ID = 64


class FrameError(Exception):
    """A client's frame that cannot be used. `code` is for programs, the text for people."""

    def __init__(self, code: str, text: str, request_id: str = "") -> None:
        super().__init__(text)
        self.code = code
        self.request_id = request_id


@dataclass(frozen=True, slots=True)
class ClientFrame:
    """A frame from a browser: its type, the id the client gave it, everything else."""

    type: str
    id: str
    body: Frame

    def number(self, name: str) -> int:
        """A whole number from 0 on; 0 when it is not there. Raises FrameError."""
        value = self.body.get(name, 0)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**53:
            raise FrameError("INVALID_FRAME", f"`{name}` must be a whole number", self.id)
        return value

    def text(self, name: str, limit: int = 256) -> str:
        """A text; empty when it is not there. Raises FrameError."""
        value = self.body.get(name, "")
        if not isinstance(value, str) or len(value) > limit:
            raise FrameError("INVALID_FRAME", f"`{name}` must be text of at most {limit} characters", self.id)
        return value


def read(data: str) -> ClientFrame:
    """Reads one frame. Raises FrameError for anything that is none."""
    try:
        body = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise FrameError("INVALID_JSON", "the frame is not valid JSON") from error
    if not isinstance(body, dict) or not isinstance(body.get("type"), str):
        raise FrameError("INVALID_FRAME", "a frame is an object with a `type`")
    frame_id = body.get("id", "")
    if not isinstance(frame_id, str) or len(frame_id) > MAX_ID:
        raise FrameError("INVALID_FRAME", f"`id` must be text of at most {MAX_ID} characters")
    return ClientFrame(body["type"], frame_id, body)


def stamp(seconds: float) -> str:
    """Seconds since the epoch as ISO 8601 in UTC."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def connected(connection_id: str, room: Room, user: str, title: str, now: float) -> Frame:
    """The first frame of every connection; `user` is the id under which it writes."""
    return {
        "type": "connected",
        "connection_id": connection_id,
        "session": room.session,
        "session_type": room.kind,
        "bot": room.bot,
        "user": user,
        "title": title,
        "timestamp": stamp(now),
    }


def shown(entry: Entry, connection_id: str = "") -> Frame:
    """A message as it is now: `response` of the bot, `user_message` of a person, `deleted`.

    `id` is the cursor that `resume` names as last seen; `data.id` is the message, whose text each frame
    replaces.
    """
    if entry.deleted:
        return {"type": "deleted", "id": entry.cursor, "data": {"id": entry.message_id, "seq": entry.seq}}
    data: Frame = {
        "id": entry.message_id,
        "seq": entry.seq,
        "role": entry.role,
        "content": text_of(entry.chain),
        "message_chain": entry.chain,
        "timestamp": stamp(entry.time),
        "is_final": entry.state is not TextState.STREAMING,
        "connection_id": connection_id,
        "reactions": list(entry.reactions),
    }
    if entry.role == "user":
        data["sender"] = {"id": entry.sender, "nickname": entry.nickname}
    kind = "response" if entry.role == "assistant" else "user_message"
    return {"type": kind, "id": entry.cursor, "session_type": entry.room.kind, "data": data}


def ack(request_id: str, entry_id: str, cursor: int = 0, seq: int = 0) -> Frame:
    """What the client sent is durable."""
    return {"type": "ack", "id": request_id, "message_id": entry_id, "cursor": cursor, "seq": seq}


def resumed(count: int) -> Frame:
    """All that was missed has been sent."""
    return {"type": "resumed", "count": count}


def pong(now: float) -> Frame:
    """The answer to a ping."""
    return {"type": "pong", "timestamp": stamp(now)}


def broadcast(text: str, now: float) -> Frame:
    """A notice to everyone, outside of all conversations; not kept."""
    return {"type": "broadcast", "message": text, "timestamp": stamp(now)}


def typing() -> Frame:
    """The bot is writing."""
    return {"type": "typing"}


def error(code: str, text: str, request_id: str = "") -> Frame:
    """Something that was sent could not be used."""
    return {"type": "error", "code": code, "message": text, "request_id": request_id}
