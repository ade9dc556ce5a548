"""Two looks at a kernel, and what happened per second between them."""

from __future__ import annotations

from dataclasses import dataclass

from jackfield.v1 import admin_pb2

MAX_PLUGINS = 500


@dataclass(frozen=True)
class Look:
    """What one look found."""

    status: admin_pb2.Status
    figures: admin_pb2.GetFiguresResponse

    @property
    def seconds(self) -> float:
        """When it was taken."""
        stamp = self.figures.time
        return stamp.seconds + stamp.nanos / 1e9


@dataclass(frozen=True)
class Rates:
    """Per second, between two looks; CPU in percent of one core. All 0 with one look alone."""

    events: float = 0.0
    done: float = 0.0
    calls: float = 0.0
    kernel_cpu: float = 0.0


@dataclass(frozen=True)
class PluginRates:
    """The same for one plugin."""

    done: float = 0.0
    cpu: float = 0.0


def rates(before: Look | None, now: Look) -> tuple[Rates, dict[str, PluginRates]]:
    """Compare two looks. A counter that fell belongs to another process or kernel: it counts as 0."""
    span = now.seconds - before.seconds if before is not None else 0.0
    if before is None or span <= 0 or before.status.boot != now.status.boot:
        return Rates(), {}

    def per_second(late: float, early: float) -> float:
        return max(0.0, late - early) / span

    old, new = before.figures, now.figures
    whole = Rates(
        per_second(now.status.bus.accepted, before.status.bus.accepted),
        per_second(now.status.bus.done, before.status.bus.done),
        per_second(new.calls, old.calls),
        100 * per_second(new.kernel_cpu_seconds, old.kernel_cpu_seconds),
    )
    earlier = {plugin.name: plugin for plugin in old.plugins}
    found: dict[str, PluginRates] = {}
    for plugin in new.plugins[:MAX_PLUGINS]:
        if (was := earlier.get(plugin.name)) is not None:
            cpu = 100 * per_second(plugin.cpu_seconds, was.cpu_seconds)
            found[plugin.name] = PluginRates(per_second(plugin.done, was.done), cpu)
    return whole, found
