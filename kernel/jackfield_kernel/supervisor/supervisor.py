"""All plugins of one kernel: one task each, the heartbeat clock, and the verbs of operators and sessions."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import replace

from .adopted import end_leftover
from .errors import CannotStart, UnknownPlugin, UpgradeFailed
from .follower import LogFollower
from .gate import StartGate
from .life import PluginLife
from .run import DRAIN_RESTART, DRAIN_SHUTDOWN, DRAIN_STOP, DRAIN_UPGRADE
from .spec import DISABLED, PluginSnapshot, PluginSpec, plugin_of
from .state import Reason, State
from .surroundings import Link, Listener, Surroundings

_log = logging.getLogger(__name__)


class Supervisor:
    """Starts, watches and restarts plugins. All methods are called on the event loop that `run` runs on.

    What sessions report about a plugin that is not installed or not running is ignored: the process may have
    ended while the report was on its way.
    """

    def __init__(self, around: Surroundings, specs: Sequence[PluginSpec] = ()) -> None:
        self._around = around
        self._lives: dict[str, PluginLife] = {}
        self._beside: dict[str, PluginLife] = {}
        """The other generation of a plugin that is being upgraded: the new one until it serves, then the old one."""
        self._tasks: dict[PluginLife, asyncio.Task[None]] = {}
        self._followers: dict[str, LogFollower] = {}
        self._listeners: list[Listener] = []
        self._group: asyncio.TaskGroup | None = None
        self._closing = asyncio.Event()
        self._gate = StartGate(around.timing.starts, around.timing.start_patience)
        for spec in specs:
            self.add(spec)

    async def run(self) -> None:
        """Run every plugin until `shutdown`. Cancelling this instead leaves the processes running."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            watches = (self._heartbeats(), self._follow_logs(), self._around.limiter.watch())
            chores = [group.create_task(watch) for watch in watches]
            for life in self._lives.values():
                self._begin(life)
            group.create_task(self._end_strangers(), name="leftovers")
            await self._closing.wait()
            async with asyncio.TaskGroup() as drains:
                for life in (*self._lives.values(), *self._beside.values()):
                    drains.create_task(life.unwant(Reason("SHUTDOWN"), DRAIN_SHUTDOWN))
            for task in (*self._tasks.values(), *chores):
                task.cancel()
        self._group = None

    def shutdown(self) -> None:
        """Drain and stop all plugins; `run` returns when none is left."""
        self._closing.set()

    # Operators' verbs.

    def add(self, spec: PluginSpec) -> None:
        """Take over a plugin that was found; it starts at once unless held or broken.

        Raises ValueError if known.
        """
        if spec.name in self._lives:
            raise ValueError(f"plugin {spec.name} is already supervised")
        path = self._around.paths.plugin_log(spec.name)
        self._lives[spec.name] = PluginLife(spec, self._around, self._gate, self._changed)
        self._followers[spec.name] = LogFollower(spec.name, path)
        if self._group is not None:
            self._begin(self._lives[spec.name])

    async def remove(self, name: str) -> None:
        """Stop a plugin and forget it. Raises UnknownPlugin."""
        self._not_upgrading(name)
        life = self._life(name)
        await life.unwant(Reason("REMOVED"))
        del self._lives[name], self._followers[name]
        self._end(life)

    async def enable(self, name: str) -> None:
        """Start a stopped, held or parked plugin with a clean record. Raises UnknownPlugin, CannotStart."""
        self._startable(name)
        self.wake(name)

    def wake(self, name: str) -> None:
        """Start a plugin that does not run, with a clean record; nothing happens to one that does, or cannot start."""
        life = self._life(name)
        if life.spec.error is None and life.state not in (State.STARTING, State.ACTIVE):
            life.want()

    def rest(self, name: str, reason: Reason) -> None:
        """Stop a plugin that nobody needs any more, in order, without waiting for it; one that is upgraded goes on."""
        life = self._life(name)
        if name not in self._beside and life.state in (State.STARTING, State.ACTIVE):
            life.rest(reason)

    async def disable(self, name: str) -> None:
        """Drain and stop a plugin until it is enabled. Returns when it is gone. Raises UnknownPlugin."""
        self._not_upgrading(name)
        await self._life(name).unwant(DISABLED)

    async def stop(self, name: str, reason: Reason) -> None:
        """As `disable`, with a reason of the caller's. Raises UnknownPlugin."""
        await self._life(name).unwant(reason, DRAIN_STOP)

    async def restart(self, name: str, spec: PluginSpec | None = None) -> None:
        """Drain a plugin and start it again, as `spec` when given; counts nothing.

        Returns when the old one is gone.

        Raises UnknownPlugin, CannotStart.
        """
        self._not_upgrading(name)
        life = self._startable(name)
        await life.unwant(Reason("RESTART"), DRAIN_RESTART)
        life.spec = spec or life.spec
        life.want()

    async def change(self, name: str, spec: PluginSpec) -> None:
        """Go on as `spec`: what runs, or is to run, is drained and started anew. Raises UnknownPlugin."""
        life = self._life(name)
        if life.spec.error or life.state is State.STOPPED:
            life.spec = spec
        else:
            await self.restart(name, spec)

    async def start_beside(self, spec: PluginSpec) -> None:
        """Start a new generation of a plugin beside the one that serves; returns when it is ready.

        Raises UnknownPlugin, CannotStart, and UpgradeFailed when it did not become ready; nothing of it runs then.
        """
        name = spec.name
        self._startable(name)
        self._not_upgrading(name)
        settled = asyncio.Event()

        def changed(name: str, state: State, reason: Reason) -> None:
            _log.info("the new generation of plugin %s is %s: %s", name, state, reason)
            if state is not State.STARTING:
                settled.set()

        life = PluginLife(spec, self._around, self._gate, changed)
        self._beside[name] = life
        self._begin(life)
        # A kernel that hands over ends the life, not the process: nobody waits for it then.
        self._tasks[life].add_done_callback(lambda _: settled.set())
        try:
            async with asyncio.timeout(self._around.timing.upgrade):
                await settled.wait()
            if life.state is not State.ACTIVE:
                raise UpgradeFailed(name, life.reason, life.snapshot().last_lines)
        except TimeoutError as error:
            reason = Reason("NOT_READY", f"It was not ready within {self._around.timing.upgrade:g} s.")
            if life.reason.name == "NOT_READY":
                reason = life.reason
            raise UpgradeFailed(name, reason, life.snapshot().last_lines) from error
        finally:
            if life.state is not State.ACTIVE:
                await self.end_beside(name, Reason("ROLLED_BACK"))

    def promote(self, name: str) -> None:
        """The generation that was started beside serves from now on."""
        life = self._beside[name]
        self._beside[name], self._lives[name] = self._lives[name], life
        self._beside[name].listener, life.listener = _unheard, self._changed
        life.spec = replace(life.spec, successor=False)
        self._changed(name, life.state, life.reason)

    async def end_beside(self, name: str, reason: Reason) -> None:
        """Drain and end the generation that does not serve; returns when it is gone."""
        life = self._beside[name]
        await life.unwant(reason, DRAIN_UPGRADE)
        del self._beside[name]
        self._end(life)

    def snapshot(self) -> list[PluginSnapshot]:
        """Return what is known of every plugin, ordered by name."""
        return [self._lives[name].snapshot() for name in sorted(self._lives)]

    def plugin(self, name: str) -> PluginSnapshot:
        """Return what is known of one plugin. Raises UnknownPlugin."""
        return self._life(name).snapshot()

    def pid(self, instance: str) -> int | None:
        """Process id of one generation of a plugin; None when no process of it runs."""
        life = self._of(instance)
        return life.snapshot().pid if life is not None else None

    def spec(self, name: str) -> PluginSpec:
        """Return what the supervisor was told of one plugin. Raises UnknownPlugin."""
        return self._life(name).spec

    def on_change(self, listener: Listener) -> None:
        """Call `listener(name, state, reason)` at each change of either; it must not block or raise."""
        self._listeners.append(listener)

    # What the session room reports.

    def registered(self, instance: str, session_id: str) -> None:
        """Register of this plugin was accepted."""
        if life := self._of(instance):
            life.registered(session_id)

    def attached(self, instance: str, link: Link) -> None:
        """This plugin's control stream opened, for the first time or again."""
        if life := self._of(instance):
            life.attached(link)

    def heartbeat(self, instance: str) -> None:
        """A heartbeat of this plugin arrived."""
        if life := self._of(instance):
            life.heartbeat()

    def ready(self, instance: str, addresses: Sequence[tuple[str, str]] = ()) -> None:
        """The plugin can serve, at these (label, url) pairs."""
        if life := self._of(instance):
            life.ready(tuple(addresses))

    def not_ready(self, instance: str, reason: str) -> None:
        """The plugin lives but cannot serve, for a reason in words."""
        if life := self._of(instance):
            life.not_ready(reason)

    def detached(self, instance: str, reason: str) -> None:
        """The plugin's control stream ended. Not to be called for a stream that a newer one replaced."""
        if life := self._of(instance):
            life.detached(reason)

    def refused(self, instance: str, reason: str, text: str = "") -> None:
        """Register was refused for `reason`, such as UNAUTHENTICATED; `text` is a sentence."""
        if life := self._of(instance):
            life.refused(reason, text)

    def stuck(self, instance: str, why: str) -> None:
        """The plugin's heartbeats come, and yet it does not do its work: it is ended and started anew."""
        if life := self._of(instance):
            life.stuck(why)

    def excuse(self, name: str) -> None:
        """The plugin's last crash was explained by a poisonous delivery: it counts no more."""
        if life := self._lives.get(name):
            life.excuse()

    def _life(self, name: str) -> PluginLife:
        if name not in self._lives:
            raise UnknownPlugin(
                f"No plugin named {name} is installed.", remedy="See `jackfield plugin list`.", plugin=name
            )
        return self._lives[name]

    def _startable(self, name: str) -> PluginLife:
        life = self._life(name)
        if error := life.spec.error:
            raise CannotStart(
                f"Plugin {name} cannot start ({error.name}): {error.text}", remedy=error.remedy, plugin=name
            )
        return life

    def _not_upgrading(self, name: str) -> None:
        """While two generations run, neither may be taken away. Raises CannotStart."""
        if name in self._beside:
            raise CannotStart(f"Plugin {name} is being upgraded.", remedy="Wait for that.", plugin=name)

    def _of(self, instance: str) -> PluginLife | None:
        """The life of one generation."""
        name = plugin_of(instance)
        lives = (self._lives.get(name), self._beside.get(name))
        return next((life for life in lives if life is not None and life.spec.instance == instance), None)

    def _begin(self, life: PluginLife) -> None:
        assert self._group is not None
        self._tasks[life] = self._group.create_task(life.run(), name=f"plugin {life.spec.instance}")

    def _end(self, life: PluginLife) -> None:
        if task := self._tasks.pop(life, None):
            task.cancel()

    def _changed(self, name: str, state: State, reason: Reason) -> None:
        _log.info("plugin %s is %s: %s", name, state, reason)
        for listener in self._listeners:
            listener(name, state, reason)

    async def _end_strangers(self) -> None:
        """Processes of an earlier kernel whose plugin is no longer installed end, all at once."""
        known = {life.spec.instance for life in self._lives.values()}
        async with asyncio.TaskGroup() as ends:
            for path in self._around.paths.running().glob("*.json"):
                if path.stem not in known:
                    ends.create_task(end_leftover(path, self._around.timing.term))

    async def _heartbeats(self) -> None:
        interval, clock = self._around.timing.heartbeat, self._around.clock
        last = clock()
        while True:
            await asyncio.sleep(interval)
            now = clock()
            # A late tick means that we stood still (a paused machine, a busy loop): nobody else is to blame.
            on_time = now - last < 1.5 * interval
            last = now
            for life in (*self._lives.values(), *self._beside.values()):
                life.tick(on_time)

    async def _follow_logs(self) -> None:
        while True:
            await asyncio.sleep(self._around.timing.log_step)
            for follower in [follower for follower in self._followers.values() if follower.behind()]:
                for line in await asyncio.to_thread(follower.step):
                    self._around.log(line)


def _unheard(name: str, state: State, reason: Reason) -> None:
    """The generation that leaves says nothing about the plugin any more."""
    _log.info("the earlier generation of plugin %s is %s: %s", name, state, reason)
