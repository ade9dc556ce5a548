"""What journal and blobs take on disk. Walking the blobs takes time, so they are counted in a thread once a minute."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

LOOK_SECONDS = 60.0
_PARTS = ("", "-wal", "-shm")


class StorageSizes(Collector):
    """Sizes in bytes. `journal` is the database's path, `blobs` the folder of blobs."""

    def __init__(self, journal: Path, blobs: Path) -> None:
        self._journal = journal
        self._blobs = blobs
        self.blobs = 0

    async def looks(self) -> None:
        """Count the blobs for ever."""
        while True:
            self.blobs = await asyncio.to_thread(_size_of, self._blobs)
            await asyncio.sleep(LOOK_SECONDS)

    def journal(self) -> int:
        """Bytes of the journal's files now; 0 for a journal in memory."""
        return sum(_size(f"{self._journal}{part}") for part in _PARTS)

    def describe(self) -> list[Metric]:
        """Nothing beforehand."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Yield both."""
        yield GaugeMetricFamily("jackfield_journal_bytes", "Bytes of the journal's files.", self.journal())
        text = "Bytes of all blobs, as of the last minute."
        yield GaugeMetricFamily("jackfield_blob_bytes", text, self.blobs)


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except FileNotFoundError:
        return 0


def _size_of(folder: Path) -> int:
    total = 0
    for place, _, names in os.walk(folder):
        total += sum(_size(os.path.join(place, name)) for name in names)
    return total
