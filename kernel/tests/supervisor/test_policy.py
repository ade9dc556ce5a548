"""The restart policy, on a clock that only the test moves."""

from __future__ import annotations

import signal

import pytest
from jackfield_kernel.supervisor.launcher import Exit
from jackfield_kernel.supervisor.policy import Decision, RestartPolicy, RestartRules, Verdict, judge
from jackfield_kernel.supervisor.state import Reason

CRASH = Verdict(Reason("CRASHED"), counts=True)
KILLED = Verdict(Reason("KILLED"), counts=False, foreign=True)
CLEAN = Verdict(Reason("EXITED"), counts=False)


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def policy(clock: Clock) -> RestartPolicy:
    return RestartPolicy(RestartRules(), clock, lambda: 0.5)


def test_the_first_restart_of_an_active_plugin_is_immediate_then_delays_double(policy: RestartPolicy) -> None:
    delays = []
    for _ in range(4):
        policy.active()
        delays.append(policy.ended(CRASH).delay)
    assert delays == [0, 0.5, 1, 2]


def test_a_plugin_that_was_never_active_waits_from_the_first_failure(policy: RestartPolicy) -> None:
    assert [policy.ended(CRASH).delay for _ in range(4)] == [0.5, 0.5, 1, 2]


def test_delays_end_at_the_maximum_and_jitter_stays_below_it(clock: Clock) -> None:
    policy = RestartPolicy(RestartRules(), clock, lambda: 0.999)
    delays = [policy.ended(CLEAN).delay for _ in range(12)]
    assert delays[0] == pytest.approx(0.6, abs=0.001)
    assert delays[-1] == 60


def test_five_crashes_in_five_minutes_park_and_older_ones_are_forgotten(
    policy: RestartPolicy, clock: Clock
) -> None:
    decisions = []
    for _ in range(6):
        decisions.append(policy.ended(CRASH))
        clock.now += 76
    assert not any(decision.park for decision in decisions), "five crashes took longer than five minutes"
    for _ in range(3):
        clock.now += 1
        decisions.append(policy.ended(CRASH))
    assert decisions[-1] == Decision(300, park=True)


def test_a_parked_plugin_gets_one_chance_and_a_clean_record_after_a_minute(
    policy: RestartPolicy, clock: Clock
) -> None:
    assert [policy.ended(CRASH).park for _ in range(5)][-1]
    clock.now += 400
    policy.active()
    clock.now += 59
    assert policy.ended(CRASH).park
    clock.now += 400
    policy.active()
    clock.now += 61
    assert policy.ended(CRASH) == Decision(0)


def test_enabling_by_hand_forgets_everything(policy: RestartPolicy) -> None:
    for _ in range(5):
        policy.ended(CRASH)
    policy.forget()
    policy.active()
    assert policy.ended(CRASH) == Decision(0)


def test_a_foreign_kill_restarts_at_once_and_never_parks(policy: RestartPolicy) -> None:
    for _ in range(50):
        policy.active()
        assert policy.ended(KILLED) == Decision(0)
    assert policy.ended(KILLED) == Decision(0.5), "killed before it was active: no tight loop"


def test_a_crash_explained_by_a_delivery_is_taken_out_of_the_count(policy: RestartPolicy) -> None:
    for _ in range(4):
        policy.ended(CRASH)
    policy.excuse()
    assert not policy.ended(CRASH).park
    assert policy.ended(CRASH).park


@pytest.mark.parametrize(
    ("exit_", "was_active", "name", "counts"),
    [
        (Exit(0, None), False, "EXITED_EARLY", True),
        (Exit(0, None), True, "EXITED", False),
        (Exit(3, None), True, "CRASHED", True),
        (Exit(None, signal.SIGSEGV), True, "CRASHED", True),
        (Exit(None, signal.SIGKILL), True, "KILLED", False),
        (Exit(None, signal.SIGTERM), False, "KILLED", False),
        (Exit(None, signal.SIGKILL, out_of_memory=True), True, "OUT_OF_MEMORY", True),
    ],
)
def test_which_exits_count(exit_: Exit, was_active: bool, name: str, counts: bool) -> None:
    verdict = judge(exit_, was_active, None)
    assert (verdict.reason.name, verdict.counts) == (name, counts)


def test_what_we_killed_counts_under_the_reason_we_had() -> None:
    cause = Reason("MISSED_HEARTBEATS")
    assert judge(Exit(None, signal.SIGKILL, by_us=True), True, cause) == Verdict(cause, counts=True)


def test_each_silence_in_a_row_doubles_the_patience_and_anything_else_resets_it(
    policy: RestartPolicy, clock: Clock
) -> None:
    silent = Verdict(Reason("MISSED_HEARTBEATS"), counts=True)
    graces = []
    for _ in range(5):
        graces.append(policy.grace)
        policy.active()
        policy.ended(silent)
    assert graces == [1, 2, 4, 8, 8]
    policy.active()
    clock.now += 61
    policy.ended(silent)
    assert policy.grace == 2, "a minute of health is a new beginning"
    policy.ended(CRASH)
    assert policy.grace == 1
