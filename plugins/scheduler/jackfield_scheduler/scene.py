"""The parts of one running plugin."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from jackfield_sdk import PluginContext

from jackfield_scheduler.clockwork import Clockwork
from jackfield_scheduler.desk import Desk
from jackfield_scheduler.effects import Effects
from jackfield_scheduler.outcomes import Outcomes
from jackfield_scheduler.schedule import zone_of
from jackfield_scheduler.store import Store
from jackfield_scheduler.targets import Targets


class Scene:
    """Built when the kernel has been reached; used before that, it raises AttributeError."""

    clockwork: Clockwork
    outcomes: Outcomes
    desk: Desk

    def open(self, plugin: PluginContext, now: Callable[[], datetime]) -> None:
        """Put the parts together. Raises InvalidArgument for an unknown time zone."""
        store = Store(plugin.kv)
        targets = Targets(plugin, store)
        effects = Effects(plugin, targets)
        self.clockwork = Clockwork(plugin, store, effects, now)
        self.outcomes = Outcomes(store, effects, now)
        self.desk = Desk(plugin, store, targets, self.clockwork, now)
        zone_of(self.desk.zone)
