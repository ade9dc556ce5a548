"""Key-value writes of plugins as checks and puts of a journal unit."""

from __future__ import annotations

from collections.abc import Iterable

from jackfield.v1 import frame_pb2

from ..journal.log import Check, Put


def kv_bucket(plugin: str) -> str:
    """Bucket of a plugin's key-value namespace."""
    return f"kv/{plugin}"


def kv_unit(
    plugin: str, writes: Iterable[frame_pb2.KvWrite], now: float
) -> tuple[tuple[Check, ...], tuple[Put, ...]]:
    """Checks and puts of key-value writes."""
    bucket = kv_bucket(plugin)
    checks: list[Check] = []
    puts: list[Put] = []
    for write in writes:
        if write.HasField("if_version"):
            checks.append(Check(bucket, write.key, write.if_version))
        expires = now + write.ttl.seconds + write.ttl.nanos / 1e9 if write.HasField("ttl") else 0.0
        puts.append(Put(bucket, write.key, None if write.delete else write.value, expires))
    return tuple(checks), tuple(puts)
