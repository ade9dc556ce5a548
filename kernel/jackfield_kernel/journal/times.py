"""Journal time as protobuf timestamps."""

from __future__ import annotations

from google.protobuf.timestamp_pb2 import Timestamp


def stamp(seconds: float) -> Timestamp:
    """Journal time as a protobuf timestamp."""
    nanos = round(seconds * 1e9)
    return Timestamp(seconds=nanos // 1_000_000_000, nanos=nanos % 1_000_000_000)


def seconds(value: Timestamp) -> float:
    """A protobuf timestamp as seconds."""
    return value.seconds + value.nanos / 1e9
