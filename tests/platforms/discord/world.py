"""Who and what is there: one server with channels, a forum, a thread; Ann, Bob and the bot."""

from __future__ import annotations

import itertools
import time
from typing import Any

EPOCH_MS = 1_420_070_400_000
ME = {
    "id": "1000",
    "username": "jack",
    "global_name": None,
    "bot": True,
    "avatar": None,
    "discriminator": "0001",
}
ANN = {"id": "2001", "username": "ann", "global_name": "Ann", "avatar": None, "discriminator": "0"}
BOB = {"id": "2002", "username": "bob", "global_name": None, "avatar": "a1", "discriminator": "0"}
APPLICATION = "1000"
GUILD, GENERAL, FORUM, THREAD, POST, PRIVATE = "3000", "3001", "3002", "3003", "3004", "3009"

_numbers = itertools.count(1)


def snowflake() -> str:
    """A new id, larger than every one before."""
    milliseconds = int(time.time() * 1000) - EPOCH_MS
    return str((milliseconds << 22) | (next(_numbers) & 0x3FFFFF))


def channels() -> dict[str, dict[str, Any]]:
    """All channels by id."""
    listed = [
        {
            "id": GENERAL,
            "type": 0,
            "guild_id": GUILD,
            "name": "general",
            "last_message_id": None,
            "parent_id": None,
        },
        {
            "id": FORUM,
            "type": 15,
            "guild_id": GUILD,
            "name": "help",
            "last_message_id": None,
            "parent_id": None,
        },
        {"id": THREAD, "type": 11, "guild_id": GUILD, "name": "side talk", "parent_id": GENERAL},
        {"id": POST, "type": 11, "guild_id": GUILD, "name": "a question", "parent_id": FORUM},
        {"id": PRIVATE, "type": 1, "recipients": [ANN], "last_message_id": None},
    ]
    return {str(one["id"]): one for one in listed}


def guild() -> dict[str, Any]:
    """The server without its channels."""
    return {
        "id": GUILD,
        "name": "The Guild",
        "icon": None,
        "description": None,
        "owner_id": ANN["id"],
        "member_count": 3,
        "approximate_member_count": 3,
        "system_channel_id": GENERAL,
        "roles": [
            {"id": GUILD, "name": "@everyone", "permissions": "1024"},
            {"id": "4001", "name": "admins", "permissions": "8"},
        ],
    }


def members() -> list[dict[str, Any]]:
    """Everybody in the server."""
    joined = "2024-01-02T03:04:05.000000+00:00"
    return [
        {"user": ME, "nick": None, "roles": [], "joined_at": joined},
        {"user": ANN, "nick": "Annie", "roles": [], "joined_at": joined},
        {"user": BOB, "nick": None, "roles": ["4001"], "joined_at": joined},
    ]
