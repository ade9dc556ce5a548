"""The life of one plugin: start, watch, drain or bury, and start again as the policy says."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from typing import Any

from ..manifest import Limits
from .adopted import AdoptedProcess, RunRecord, birth_of, end_leftover, read_record
from .bootstrap import Bootstrap, remove_bootstrap, write_bootstrap
from .environment import command_line, plugin_environment
from .errors import LaunchFailed
from .gate import StartGate
from .launcher import Exit, LaunchSpec, effective
from .logfiles import tail
from .policy import Decision, RestartPolicy, RestartRules, Verdict, judge
from .run import DRAIN_STOP, Run
from .spec import EXTERNAL, ISOLATED, PluginSnapshot, PluginSpec
from .state import TRANSITIONS, Reason, State
from .surroundings import Link, Listener, Surroundings

LAST_LINES = 50

NETWORK = "network: granted, ports and abstract sockets of this machine included"

READY = Reason("READY")

_log = logging.getLogger(__name__)

_REFUSALS = {
    "UNAUTHENTICATED": "Let the plugin read its secret from its JACKFIELD_BOOTSTRAP file at each start.",
    "CONTRACT_MISMATCH": "Install a version of the plugin that speaks this kernel's contract.",
    "MANIFEST_MISMATCH": "Restart the plugin, or install it anew.",
}


class PluginLife:
    """Runs as one task. Verbs change what is wanted; `run` brings it about."""

    def __init__(self, spec: PluginSpec, around: Surroundings, gate: StartGate, listener: Listener) -> None:
        self.spec = spec
        self.state = State.FAILED if spec.error else State.STOPPED
        self.reason = spec.error or spec.hold or Reason("NOT_STARTED")
        self._around = around
        self._gate = gate
        self.listener = listener
        self._living = False
        self._policy = RestartPolicy(_rules(spec, around.rules), around.clock, around.dice)
        self._wanted = spec.error is None and spec.hold is None
        self._changed = asyncio.Event()
        self._settled = asyncio.Event()
        self._drain: str | None = None
        self._stop_reason = self.reason
        self._run: Run | None = None
        self._next_start: float | None = None
        self._since = around.clock()
        self._starts = 0
        self._last_exit: Reason | None = None
        self._last_lines: tuple[str, ...] = ()

    async def run(self) -> None:
        """Live until cancelled. Cancelling leaves the process alone, for the next kernel to adopt."""
        self._living = True
        try:
            if not self._wanted:
                await self._end_leftover()
            await self._live()
        finally:
            # Whoever waits for an end must not wait for a life that is over.
            self._living = False
            self._settled.set()

    async def _live(self) -> None:
        while True:
            self._changed.clear()
            if self._drain is not None:
                self._drain = None
                self._settled.set()
            if not self._wanted:
                if self.state in (State.FAILED, State.PARKED) and self.spec.error is None:
                    self._enter(State.STOPPED, self._stop_reason)
                await self._changed.wait()
                continue
            try:
                decision = await self._one_run()
            except Exception as error:  # noqa: BLE001 - border: one life must not end the others
                _log.exception("the life of plugin %s met an error", self.spec.name)
                verdict = Verdict(
                    Reason("INTERNAL", f"The kernel failed: {error!r}.", "Report it."), counts=True
                )
                decision = await self._bury(verdict)
            if decision is not None:
                await self._pause(decision.delay)

    # What operators want.

    def want(self) -> None:
        """Start now, with a clean record, whatever the state was."""
        self._policy.forget()
        self.spec = _unheld(self.spec)
        if self.state in (State.STOPPED, State.FAILED, State.PARKED):
            self.reason = Reason("WANTED", "It starts now.")
        self._wanted = True
        self._changed.set()

    def rest(self, reason: Reason, drain: str = DRAIN_STOP) -> None:
        """Drain and stop; does not wait for that."""
        self._wanted, self._stop_reason, self._drain = False, reason, drain
        if self._living:
            self._settled.clear()
            self._changed.set()
        elif self.state is State.STOPPED:
            self.reason = reason

    async def unwant(self, reason: Reason, drain: str = DRAIN_STOP) -> None:
        """Drain and stop; returns when nothing of it runs."""
        self.rest(reason, drain)
        if self._living:
            await self._settled.wait()
        if self.state is State.STOPPED:
            self.reason = reason

    # What the session room reports.

    def registered(self, session: str) -> None:
        """Register was accepted."""
        if self._run:
            self._run.session = session

    def attached(self, link: Link) -> None:
        """The control stream opened; the bootstrap secret is used up."""
        remove_bootstrap(self._around.paths.bootstrap(self.spec.instance))
        if self._run:
            self._run.attached(link)
            if self.state is State.ACTIVE:
                self._say(Reason("REATTACHED") if self._run.ready else self.reason)

    def heartbeat(self) -> None:
        """A heartbeat arrived."""
        if self._run:
            self._run.beat()

    def ready(self, addresses: tuple[tuple[str, str], ...]) -> None:
        """The plugin can serve."""
        run = self._run
        if run is None or not run.was_attached:
            return
        known = run.ready and run.addresses == addresses and self.reason == READY
        run.ready, run.addresses = True, addresses
        if self.state is State.STARTING:
            run.was_active = True
            self._policy.active()
            self._enter(State.ACTIVE, READY)
        elif self.state is State.ACTIVE and not known:
            self._say(READY)

    def not_ready(self, text: str) -> None:
        """The plugin lives but cannot serve; that is no reason to kill it."""
        if self._run and self.state in (State.STARTING, State.ACTIVE):
            self._run.ready = False
            self._say(Reason("NOT_READY", text))

    def detached(self, text: str) -> None:
        """The control stream ended; missing heartbeats decide when that is too long."""
        if self._run and self._run.link is not None:
            self._run.detached()
            if self.state in (State.STARTING, State.ACTIVE):
                self._say(Reason("DETACHED", text))

    def refused(self, reason: str, text: str) -> None:
        """Register was refused. Once attached that is somebody else's attempt, and changes nothing."""
        if self._run and not self._run.was_attached:
            self._run.fail(Reason(reason, text or "Its registration was refused.", _REFUSALS.get(reason, "")))

    def stuck(self, why: str) -> None:
        """The plugin lives and does not do its work."""
        if self._run and self.state in (State.STARTING, State.ACTIVE):
            self._run.fail(Reason("STUCK", why, "Read its last log lines."))

    def tick(self, on_time: bool) -> None:
        """One heartbeat interval passed."""
        if self._run is None or self.state not in (State.STARTING, State.ACTIVE):
            return
        if self.spec.watched or self._run.link is None:
            self._run.tick(self._around.timing.missed * self._policy.grace, on_time)

    def excuse(self) -> None:
        """The last crash was explained by a delivery: it does not count towards parking."""
        self._policy.excuse()

    def snapshot(self) -> PluginSnapshot:
        """Return what is known now."""
        spec, run, now = self.spec, self._run, self._around.clock()
        launcher = self._around.launchers.get(spec.launcher)
        return PluginSnapshot(
            name=spec.name,
            version=spec.manifest.version if spec.manifest else "",
            kind=spec.manifest.kind if spec.manifest else "",
            origin=spec.origin,
            boundary=launcher.boundary if launcher else spec.launcher,
            launcher=spec.launcher,
            gaps=self._gaps(),
            state=self.state,
            reason=self.reason,
            ready=bool(run and run.ready and run.link),
            session=run.session if run else None,
            pid=run.running.pid if run and run.running else None,
            since=now - self._since,
            starts=self._starts,
            next_start_in=max(0.0, self._next_start - now) if self._next_start is not None else None,
            addresses=run.addresses if run else (),
            last_exit=self._last_exit,
            last_lines=self._last_lines,
        )

    # One start.

    async def _one_run(self) -> Decision | None:
        name, around = self.spec.instance, self._around
        run = self._run = Run(around.clock())
        self._starts += 1
        self._enter(State.STARTING, Reason("LAUNCHING"))
        try:
            run.on_attached = await self._gate.enter()
            try:
                if self._drain is None and not await self._take_over(run):
                    await self._launch(run)
                self._bound(run)
            except LaunchFailed as error:
                return await self._bury(
                    Verdict(Reason(error.reason, error.message, error.remedy), counts=True)
                )
            cause = await self._watch(run)
            if cause is None and self._drain is not None:
                await self._finish(run)
                return None
            exit_ = await self._end(run, cause)
            cause = cause or (run.hold.overrun() if run.hold else None)
            return await self._bury(judge(exit_, run.was_active, cause))
        except Exception:
            if run.running:
                await run.running.kill(0.0)
            raise
        finally:
            self._run = None
            run.on_attached()
            remove_bootstrap(around.paths.bootstrap(name))
            if run.running is None or run.running.gone:
                if run.hold:
                    around.limiter.release(run.hold)
                around.paths.running(name).unlink(missing_ok=True)
            await around.endpoints.close(name)

    async def _take_over(self, run: Run) -> bool:
        """Go on with the process that an earlier kernel started, where it fits what is wanted now."""
        name, spec, around = self.spec.instance, self.spec, self._around
        record = read_record(around.paths.running(name))
        if record is None or spec.manifest is None or self._starts > 1:
            return False
        fits = record.digest == spec.manifest.digest and record.launcher == spec.launcher
        if not fits or not await around.endpoints.reopen(name):
            await self._end_leftover()
            return False
        try:
            run.running = AdoptedProcess(record)
        except ProcessLookupError:
            return False
        self._say(Reason("ADOPTED", "It runs since before the kernel's start and is expected to attach."))
        return True

    async def _end_leftover(self) -> None:
        await end_leftover(self._around.paths.running(self.spec.instance), self._around.timing.term)

    async def _launch(self, run: Run) -> None:
        spec, around, paths = self.spec, self._around, self._around.paths
        assert spec.manifest is not None
        endpoint = await around.endpoints.open(spec.instance, external=spec.launcher == EXTERNAL)
        home, bootstrap = paths.plugin_home(spec.name), paths.bootstrap(spec.instance)
        # Below a private folder of ours; an isolated plugin's home belongs to the user that it runs as.
        home.mkdir(mode=0o700, exist_ok=True)
        log_path = paths.plugin_log(spec.name)
        write_bootstrap(
            bootstrap,
            Bootstrap(
                spec.name,
                endpoint.address,
                endpoint.secret,
                around.kernel_version,
                around.contract_versions,
                log_path,
                home,
                spec.successor,
            ),
        )
        if spec.launcher == EXTERNAL:
            self._say(Reason("AWAITED", "It is started by someone else.", f"JACKFIELD_BOOTSTRAP={bootstrap}"))
            return
        launcher = around.launchers.get(spec.launcher)
        if launcher is None:
            known = ", ".join(sorted(around.launchers))
            raise LaunchFailed(f"There is no launcher {spec.launcher}.", remedy=f"Choose one of {known}.")
        env = plugin_environment(around.environ, bootstrap, spec.python_path, around.extra_environment)
        argv = command_line(spec.manifest)
        running = run.running = await launcher.start(
            LaunchSpec(
                spec.name,
                argv,
                env,
                home,
                log_path,
                bootstrap,
                self._limits(),
                endpoint.address,
                spec.place,
                around.may_use_network(spec.instance),
            )
        )
        record = RunRecord(
            running.pid, birth_of(running.pid), spec.launcher, spec.manifest.digest, str(bootstrap)
        )
        record.write(paths.running(spec.instance))

    def _limits(self) -> Limits:
        launcher, manifest = self._around.launchers.get(self.spec.launcher), self.spec.manifest
        behind = launcher.defaults if launcher else Limits()
        return effective(self.spec.limits, manifest.limits if manifest else Limits(), behind)

    def _bound(self, run: Run) -> None:
        if run.running is not None:
            run.hold = self._around.limiter.hold(
                self.spec.instance, run.running.pid, self._limits(), run.fail
            )

    def _gaps(self) -> tuple[str, ...]:
        launcher, around = self._around.launchers.get(self.spec.launcher), self._around
        if launcher is None:
            return ()
        open_ = launcher.boundary == ISOLATED and around.may_use_network(self.spec.instance)
        network = NETWORK if open_ else ""
        found = (
            launcher.explain(self.spec.name),
            network,
            *launcher.gaps,
            *around.limiter.gaps(self._limits()),
        )
        return tuple(gap for gap in found if gap)

    async def _watch(self, run: Run) -> Reason | None:
        """Wait for an end, a reason to end it or someone's wish; return the reason."""
        loop, timing = asyncio.get_running_loop(), self._around.timing
        deadline = loop.call_later(timing.register, self._too_late, run) if run.running else None
        exited = asyncio.ensure_future(run.ended())
        changed = asyncio.ensure_future(self._changed.wait())
        try:
            while self._drain is None:
                signs: list[asyncio.Future[Any]] = [exited, run.give_up, changed]
                await asyncio.wait(signs, return_when=asyncio.FIRST_COMPLETED)
                if exited.done():
                    return None
                if run.give_up.done():
                    return run.give_up.result()
                if not changed.done():
                    continue
                self._changed.clear()
                changed = asyncio.ensure_future(self._changed.wait())
        finally:
            if deadline:
                deadline.cancel()
            exited.cancel()
            changed.cancel()
        return None

    def _too_late(self, run: Run) -> None:
        if run.was_attached:
            return
        seconds = f"{self._around.timing.register:g} s"
        if run.session is None:
            text = f"It did not register within {seconds}."
            run.fail(Reason("NEVER_REGISTERED", text, "Let it dial the address in its bootstrap file."))
        else:
            text = f"It registered but did not attach within {seconds}."
            run.fail(Reason("NEVER_ATTACHED", text, "Let it call Attach after Register."))

    async def _finish(self, run: Run) -> None:
        """Goaway, wait, TERM, KILL."""
        timing, drain = self._around.timing, self._drain or DRAIN_STOP
        self._enter(State.DRAINING, Reason(drain))
        if run.link is not None:
            run.link.goaway(drain, timing.drain)
            try:
                async with asyncio.timeout(timing.drain):
                    await (run.running.wait() if run.running else run.gone.wait())
            except TimeoutError:
                _log.warning("plugin %s did not finish within %g s", self.spec.name, timing.drain)
        if run.running:
            await run.running.kill(timing.term)
            self._last_exit = Reason("STOPPED", f"It was stopped: {await run.running.wait()}.")
        self._enter(State.STOPPED, self._stop_reason)

    async def _end(self, run: Run, cause: Reason | None) -> Exit:
        if run.running is None:
            return Exit(None, None)
        if cause is not None:
            _log.warning("ending plugin %s (%s): %s", self.spec.name, cause.name, run.running.diagnose())
        await run.running.kill(self._around.timing.term if cause else self._around.timing.sweep)
        return await run.running.wait()

    async def _bury(self, verdict: Verdict) -> Decision:
        """Keep why it ended, decide what follows and say so."""
        self._last_exit = verdict.reason
        path = self._around.paths.plugin_log(self.spec.name)
        self._last_lines = tuple(await asyncio.to_thread(tail, path, LAST_LINES))
        external = self.spec.launcher == EXTERNAL
        decision = Decision(0.0) if external else self._policy.ended(verdict)
        self._next_start = self._around.clock() + decision.delay
        self._enter(State.PARKED if decision.park else State.FAILED, verdict.reason)
        return decision

    async def _pause(self, delay: float) -> None:
        try:
            async with asyncio.timeout(delay):
                await self._changed.wait()
        except TimeoutError:
            pass  # The pause is over.
        self._next_start = None

    def _enter(self, state: State, reason: Reason) -> None:
        if state not in TRANSITIONS[self.state]:
            raise AssertionError(f"plugin {self.spec.name} cannot go from {self.state} to {state}")
        self.state = state
        self._since = self._around.clock()
        self._say(reason)

    def _say(self, reason: Reason) -> None:
        self.reason = reason
        self.listener(self.spec.name, self.state, reason)


def _rules(spec: PluginSpec, rules: RestartRules) -> RestartRules:
    if spec.manifest is None or not spec.manifest.restart.model_fields_set:
        return rules
    restart = spec.manifest.restart
    return RestartRules(
        restart.backoff,
        restart.backoff_max,
        rules.jitter,
        rules.healthy,
        rules.crashes,
        rules.window,
        rules.park,
    )


def _unheld(spec: PluginSpec) -> PluginSpec:
    return replace(spec, hold=None)
