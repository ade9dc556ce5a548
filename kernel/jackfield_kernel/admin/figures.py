"""Admin: what everything uses and how far behind it is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from jackfield.v1 import admin_pb2

from ..bus.figures import QueueFigures, queue_figures
from ..bus.observers import Observers
from ..state.blobs import Blobs
from ..telemetry.metrics import Metrics
from ..telemetry.process_trees import Usage, measure
from .views import View


class FiguresPart:
    """Measures when asked; the hot path pays nothing."""

    def __init__(
        self,
        view: View,
        metrics: Metrics,
        blobs: Blobs,
        observers: Observers,
        outbox: Callable[[], Mapping[str, int]],
    ) -> None:
        self._view = view
        self._outbox = outbox
        self._metrics = metrics
        self._blobs = blobs
        self._observers = observers

    async def get_figures(self, request: admin_pb2.GetFiguresRequest) -> admin_pb2.GetFiguresResponse:
        """Figures of this moment."""
        view, pending = self._view, self._view.driver.pending()
        snapshots = view.supervisor.snapshot()
        usage: dict[int, Usage] = {}
        if request.processes:
            pids = [snapshot.pid for snapshot in snapshots if snapshot.pid]
            usage = await asyncio.to_thread(measure, [view.pid, *pids])
        own = usage.get(view.pid, Usage())
        response = admin_pb2.GetFiguresResponse(
            kernel_cpu_seconds=own.cpu,
            kernel_memory_bytes=own.memory,
            loop_lag_seconds=self._metrics.last_lag,
            commit_seconds=pending.commit_seconds,
            journal_backlog=view.journal.backlog,
            journal_bytes=view.driver.size(),
            blob_bytes=self._blobs.bytes,
            last_sequence=view.journal.last_sequence,
            calls=self._metrics.calls,
            metrics=self._metrics.render().decode() if request.metrics else "",
        )
        response.time.GetCurrentTime()
        queues, outbox, lag = queue_figures(view.bus), self._outbox(), self._observers.lag()
        for snapshot in snapshots:
            queue = queues.get(snapshot.name, QueueFigures())
            used = usage.get(snapshot.pid or 0, Usage())
            plugin = response.plugins.add(
                name=snapshot.name,
                cpu_seconds=used.cpu,
                memory_bytes=used.memory,
                processes=used.processes,
                done=queue.done,
                waiting=queue.waiting,
                leased=queue.leased,
                lanes=queue.lanes,
                outbox=outbox.get(snapshot.name, 0),
                observer_lag=lag.get(snapshot.name, 0),
                restarts=max(0, snapshot.starts - 1),
            )
            plugin.oldest.FromMilliseconds(int(queue.oldest * 1000))
        return response
