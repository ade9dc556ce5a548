"""Ids that sort by time."""

from __future__ import annotations

import os
import time
import uuid


def event_id() -> str:
    """A UUIDv7: milliseconds first, then random bits."""
    milliseconds = time.time_ns() // 1_000_000
    value = (milliseconds << 80) | int.from_bytes(os.urandom(10), "big")
    value = (value & ~(0xF << 76)) | (0x7 << 76)
    value = (value & ~(0x3 << 62)) | (0x2 << 62)
    return str(uuid.UUID(int=value))
