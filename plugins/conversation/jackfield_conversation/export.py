"""A conversation as a file for its owner."""

from __future__ import annotations

import json
import sqlite3

from google.protobuf.json_format import MessageToDict
from jackfield_sdk import ContentTooLarge

from jackfield_conversation.records import record_of
from jackfield_conversation.store import Store

MAX_BYTES = 32 * 1024 * 1024


async def file_of(store: Store, row: sqlite3.Row) -> bytes:
    """JSON in the form of the contract: the record, then the turns. Raises ContentTooLarge above 32 MiB."""
    record = MessageToDict(record_of(row), preserving_proto_field_name=True)
    lines = []
    size = 0
    async for turn in store.turns(row["n"]):
        line = json.dumps(MessageToDict(turn, preserving_proto_field_name=True), ensure_ascii=False)
        size += len(line)
        if size > MAX_BYTES:
            raise ContentTooLarge(f"conversation {row['id']} is above {MAX_BYTES} bytes")
        lines.append(line)
    head = json.dumps(record, ensure_ascii=False)
    turns = ",\n".join(lines)
    return f'{{"conversation": {head},\n"turns": [\n{turns}\n]}}\n'.encode()
