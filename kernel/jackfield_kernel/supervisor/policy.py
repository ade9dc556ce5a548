"""When a plugin that ended starts again: a pure decision over exits, a clock and a dice."""

from __future__ import annotations

import signal
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from .launcher import Exit
from .state import MISSED_HEARTBEATS, Reason

MAX_DOUBLINGS = 3
_FOREIGN = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


@dataclass(frozen=True)
class Verdict:
    """Why a run ended. `counts`: towards parking. `foreign`: someone killed it, which is nobody's failure."""

    reason: Reason
    counts: bool
    foreign: bool = False


@dataclass(frozen=True)
class Decision:
    """What to do after a run: start again after `delay` seconds, parked meanwhile or not."""

    delay: float
    park: bool = False


@dataclass(frozen=True)
class RestartRules:
    """The figures of the policy; times in seconds."""

    backoff: float = 0.5
    backoff_max: float = 60.0
    jitter: float = 0.2
    healthy: float = 60.0
    crashes: int = 5
    window: float = 300.0
    park: float = 300.0


def judge(exit_: Exit, was_active: bool, cause: Reason | None) -> Verdict:
    """Say why a run ended. `cause` is why we killed it (missed heartbeats, never registered), None when we
    did not.

    A signal that neither we nor the OOM killer sent is foreign: it never parks, before or after ACTIVE.
    """
    if cause is not None:
        return Verdict(cause, counts=True)
    if exit_.out_of_memory:
        remedy = "Raise limits.memory in its manifest or give the machine more."
        return Verdict(Reason("OUT_OF_MEMORY", f"It was {exit_}.", remedy), counts=True)
    if exit_.signal in _FOREIGN:
        return Verdict(Reason("KILLED", f"It was {exit_} from outside."), counts=False, foreign=True)
    if exit_.signal is not None:
        return Verdict(Reason("CRASHED", f"It was {exit_}.", _READ), counts=True)
    if not was_active:
        text = f"It ended before it was ready, with {exit_}."
        return Verdict(Reason("EXITED_EARLY", text, _READ), counts=True)
    if exit_.code:
        return Verdict(Reason("CRASHED", f"It ended with {exit_}.", _READ), counts=True)
    return Verdict(Reason("EXITED", "It ended by itself without an error."), counts=False)


_READ = "Read its last log lines."


class RestartPolicy:
    """Remembers one plugin's failures. `clock` gives monotonic seconds, `dice` a number in [0, 1)."""

    def __init__(self, rules: RestartRules, clock: Callable[[], float], dice: Callable[[], float]) -> None:
        self._rules = rules
        self._clock = clock
        self._dice = dice
        self._failures = 0
        self._crashes: deque[float] = deque(maxlen=rules.crashes)
        self._active_since: float | None = None
        self._on_probation = False
        self._silences = 0

    @property
    def grace(self) -> int:
        """By how much the bound on missing heartbeats is stretched: doubled for each time in a row that they were the end.

        Where a whole machine is too slow, ending plugins faster and faster would only make it slower.
        """
        return int(2 ** min(self._silences, MAX_DOUBLINGS))

    def active(self) -> None:
        """The plugin became ACTIVE."""
        self._active_since = self._clock()

    def ended(self, verdict: Verdict) -> Decision:
        """A run ended that nobody asked to end: decide what follows."""
        now, rules = self._clock(), self._rules
        was_active = self._active_since is not None
        if self._active_since is not None and now - self._active_since >= rules.healthy:
            self._failures, self._on_probation, self._silences = 0, False, 0
        self._active_since = None
        silent = verdict.reason.name == MISSED_HEARTBEATS
        self._silences = self._silences + 1 if silent else 0
        if verdict.foreign:
            return Decision(0.0 if was_active else self._jittered(rules.backoff))
        self._failures += 1
        if verdict.counts:
            self._crashes.append(now)
            full = len(self._crashes) == rules.crashes and now - self._crashes[0] <= rules.window
            # A parked plugin that was tried again gets one chance, not five more.
            if full or self._on_probation:
                self._on_probation = True
                return Decision(rules.park, park=True)
        if self._failures == 1 and was_active:
            return Decision(0.0)
        doublings = min(max(0, self._failures - 2), 32)
        return Decision(min(rules.backoff_max, self._jittered(rules.backoff * 2**doublings)))

    def excuse(self) -> None:
        """The latest crash was explained by what the plugin was given: take it out of the count."""
        if self._crashes:
            self._crashes.pop()

    def forget(self) -> None:
        """Someone enabled or restarted the plugin by hand: it starts with a clean record."""
        self._failures, self._on_probation, self._active_since = 0, False, None
        self._crashes.clear()

    def _jittered(self, delay: float) -> float:
        return delay * (1 + self._rules.jitter * (2 * self._dice() - 1))
