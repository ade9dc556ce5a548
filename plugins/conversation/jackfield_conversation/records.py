"""Between rows and the messages of the contract."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime

from google.protobuf.timestamp_pb2 import Timestamp
from jackfield.v1 import conversation_pb2, entity_pb2, model_pb2

USAGE = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "reasoning_tokens")
MICROS = 1_000_000


def record_of(row: sqlite3.Row) -> conversation_pb2.ConversationRecord:
    """A row of `conversations`."""
    record = conversation_pb2.ConversationRecord(
        id=row["id"],
        bot=row["bot"],
        chat=entity_pb2.Chat.FromString(row["chat"]),
        user_id=row["user_id"],
        title=row["title"],
        parent_id=row["parent_id"],
        started_at=stamp(row["started_at"]),
        used_at=stamp(row["used_at"]),
        end_reason=row["end_reason"],
        turns=row["turns"],
        usage=model_pb2.ModelUsage.FromString(row["usage"]),
    )
    if row["ended_at"] is not None:
        record.ended_at.CopyFrom(stamp(row["ended_at"]))
    return record


def turn_of(row: sqlite3.Row) -> conversation_pb2.ConversationTurn:
    """A row of `turns`."""
    return conversation_pb2.ConversationTurn.FromString(row["body"])


def text_of(message: model_pb2.ModelMessage) -> str:
    """What can be found of a turn: its text, and names and arguments of the tools it calls."""
    parts = [segment.text.text for segment in message.content.segments if segment.HasField("text")]
    parts += [f"{call.name} {call.arguments_json}".rstrip() for call in message.tool_calls]
    return "\n".join(parts)


def tokens_of(message: model_pb2.ModelMessage) -> int:
    """An estimate: four characters a token, one for wide scripts, 300 for a medium, 4 for the turn itself."""
    text = text_of(message) + message.reasoning
    wide = sum(1 for character in text if character >= "\u2e80")
    media = sum(1 for segment in message.content.segments if not segment.HasField("text"))
    return 4 + wide + (len(text) - wide + 3) // 4 + 300 * media


def add_usage(total: model_pb2.ModelUsage, more: model_pb2.ModelUsage, sign: int = 1) -> None:
    """Add tokens, or take them away; never below zero."""
    for field in USAGE:
        setattr(total, field, max(0, getattr(total, field) + sign * getattr(more, field)))


def stamp(micros: int) -> Timestamp:
    """Microseconds since 1970 as the contract writes them."""
    return Timestamp(seconds=micros // MICROS, nanos=micros % MICROS * 1000)


def micros_of(time: Timestamp) -> int:
    """A time of the contract in microseconds since 1970."""
    return time.seconds * MICROS + time.nanos // 1000


def dated(micros: int) -> datetime:
    """A time for people, in UTC."""
    return datetime.fromtimestamp(micros / MICROS, UTC)
