"""Frames on the stream: coalesced on the way out, taken apart on the way in.

A serialized FrameBatch is its frames one after another, each behind the tag of field 1 and its length; so frames are serialized once,
when they are queued, and a batch is a join.
"""

from __future__ import annotations

from collections import deque

from google.protobuf.message import DecodeError
from jackfield.v1 import frame_pb2

MAX_FRAME_BYTES = 512 * 1024
MAX_BATCH_BYTES = 1024 * 1024
MAX_BATCH_FRAMES = 512

_TAG = b"\x0a"


class FrameTooLarge(Exception):
    """A frame is above 512 KiB.

    Attributes:
        size: its bytes.
    """

    def __init__(self, size: int) -> None:
        super().__init__(f"a frame of {size} bytes; at most {MAX_FRAME_BYTES} are allowed")
        self.size = size


class Outgoing:
    """Frames that wait for the stream."""

    def __init__(self) -> None:
        self._frames: deque[bytes] = deque()
        self.bytes = 0

    def __bool__(self) -> bool:
        return bool(self._frames)

    def add(self, frame: frame_pb2.Frame) -> None:
        """Queue a frame. Raises FrameTooLarge."""
        body = frame.SerializeToString()
        size = len(body)
        if size > MAX_FRAME_BYTES:
            raise FrameTooLarge(size)
        data = _TAG + _varint(size) + body
        self._frames.append(data)
        self.bytes += len(data)

    def take(self) -> bytes:
        """The next batch; at most 512 frames and 1 MiB."""
        frames = self._frames
        if len(frames) <= MAX_BATCH_FRAMES and self.bytes <= MAX_BATCH_BYTES:
            batch = b"".join(frames)
            frames.clear()
            self.bytes = 0
            return batch
        parts: list[bytes] = []
        size = 0
        while frames and len(parts) < MAX_BATCH_FRAMES and size + len(frames[0]) <= MAX_BATCH_BYTES:
            part = frames.popleft()
            size += len(part)
            parts.append(part)
        self.bytes -= size
        return b"".join(parts)


def parse(batch: bytes) -> list[frame_pb2.Frame]:
    """The frames of a batch, in order. Raises DecodeError for bytes that are no FrameBatch."""
    return list(frame_pb2.FrameBatch.FromString(batch).frames)


def too_large(frame: frame_pb2.Frame, batch_size: int) -> bool:
    """Whether a received frame is above the limit; frames of a small batch are not measured."""
    return batch_size > MAX_FRAME_BYTES and frame.ByteSize() > MAX_FRAME_BYTES


def _varint(value: int) -> bytes:
    if value < 0x80:
        return bytes((value,))
    if value < 0x4000:
        return bytes((value & 0x7F | 0x80, value >> 7))
    return bytes((value & 0x7F | 0x80, value >> 7 & 0x7F | 0x80, value >> 14))


__all__ = ["DecodeError", "FrameTooLarge", "Outgoing", "parse", "too_large"]
