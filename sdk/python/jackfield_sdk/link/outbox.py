"""Frames that wait for the stream, coalesced into batches.

A batch is whatever queued while the previous write was in flight: an idle link sends at once, a busy one
sends large batches. Frames of a stream that broke are not kept here; who sent them decides what is sent
again.
"""

from __future__ import annotations

import asyncio
from collections import deque

from jackfield.v1 import frame_pb2

from jackfield_sdk.errors import FrameTooLarge

MAX_FRAMES = 512
MAX_FRAME_BYTES = 512 * 1024
# Room for the tags and lengths of the batch itself.
MAX_BATCH_BYTES = (1 << 20) - 8 * MAX_FRAMES


class Outbox:
    """The queue of one stream."""

    def __init__(self) -> None:
        self._frames: deque[tuple[frame_pb2.Frame, int]] = deque()
        self._filled = asyncio.Event()
        self._closed = False
        self._idle = asyncio.Event()
        self._idle.set()

    def put(self, frame: frame_pb2.Frame) -> None:
        """Queues a frame. Raises FrameTooLarge above 512 KiB. A closed outbox drops it: the stream is
        gone."""
        size = frame.ByteSize()
        if size > MAX_FRAME_BYTES:
            raise FrameTooLarge(
                f"a {frame.WhichOneof('kind')} frame of {size} bytes is above {MAX_FRAME_BYTES}",
                remedy="Hand the bytes over as a blob.",
                metadata={"limit": str(MAX_FRAME_BYTES), "unit": "bytes"},
            )
        if self._closed:
            return
        self._frames.append((frame, size))
        self._idle.clear()
        self._filled.set()

    async def filled(self) -> bool:
        """Waits until there is something to take; False when the outbox is closed."""
        if not self._frames and not self._closed:
            self._idle.set()
            self._filled.clear()
            await self._filled.wait()
        return not self._closed

    def take(self) -> frame_pb2.FrameBatch | None:
        """The next batch; None when there is none, because the outbox was closed meanwhile."""
        frames = self._frames
        if not frames:
            return None
        batch: list[frame_pb2.Frame] = []
        size = 0
        while frames and len(batch) < MAX_FRAMES and (not batch or size + frames[0][1] <= MAX_BATCH_BYTES):
            frame, frame_size = frames.popleft()
            size += frame_size
            batch.append(frame)
        return frame_pb2.FrameBatch(frames=batch)

    async def flushed(self) -> None:
        """Waits until every queued frame was handed to the stream."""
        await self._idle.wait()

    def close(self) -> None:
        """Wakes the writer, which then ends. What is still queued is dropped."""
        self._closed = True
        self._frames.clear()
        self._filled.set()
        self._idle.set()
