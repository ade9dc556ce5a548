"""Plugins that misbehave in every way, as real processes."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import psutil
import pytest
from jackfield_kernel.supervisor import EXTERNAL, CannotStart, PluginSpec, Reason, State, UnknownPlugin

pytestmark = pytest.mark.integration

Harness = Any
"""The class of that name in conftest.py, which this import mode does not let a test import."""

MakeHarness = Callable[..., Harness]

FOREVER = "while True: time.sleep(3600)\n"

GREET = "import sys, time; print('hello', flush=True)\n"
"""The harness answers this line as the session room would: registered, attached, ready."""


def lives(pid: int) -> bool:
    """An orphan may stay a zombie where process 1 reaps nothing; a zombie does not live."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def test_a_good_plugin_becomes_active_and_stops_on_request(harness: Harness) -> None:
    script = GREET + "import os; print('env', sorted(os.environ), os.getcwd(), sys.path[0])\n" + FOREVER
    async with harness.run(harness.plugin("good", script)) as supervisor:
        found = await harness.state("good", State.ACTIVE)
        assert (found.ready, found.session, found.starts) == (True, "session-good", 1)
        assert found.addresses == (("page", "http://127.0.0.1:1/"),)
        assert found.boundary == "trusted process"
        assert not harness.paths.bootstrap("good").exists(), "the secret is good until the first attach only"
        words = await harness.said("good", "env ")
        assert "JACKFIELD_BOOTSTRAP" in words
        assert "SECRET_TOKEN" not in words
        assert str(harness.paths.plugin_home("good")) in words
        assert found.pid is not None
        await supervisor.disable("good")
        assert not psutil.pid_exists(found.pid)
        assert supervisor.plugin("good").reason.name == "DISABLED"
        assert harness.links["good"].goaways == ["STOP"]
    assert harness.states("good") == [State.STARTING, State.ACTIVE, State.DRAINING, State.STOPPED]


async def test_the_bootstrap_file_is_private_and_tells_all(harness: Harness) -> None:
    script = "import os, time\np = os.environ['JACKFIELD_BOOTSTRAP']\n"
    script += "print('boot', oct(os.stat(p).st_mode), open(p).read(), flush=True)\n" + FOREVER
    async with harness.run(harness.plugin("reader", script)):
        words = await harness.said("reader", "boot ")
    assert "0o100600" in words
    for part in ('"address": "unix:/run/reader/s"', '"secret": "secret-1"', '"kernel_version": "0.1.0"'):
        assert part in words


async def test_a_plugin_that_exits_at_once_is_parked_with_its_last_words(harness: Harness) -> None:
    script = "import sys; print('no such thing: \\x1b[31mconfig'); sys.exit(3)\n"
    async with harness.run(harness.plugin("brief", script), harness.plugin("good", GREET + FOREVER)):
        found = await harness.state("brief", State.PARKED)
        assert found.reason.name == "EXITED_EARLY"
        assert "exit code 3" in found.reason.text
        assert found.reason.remedy
        assert found.last_lines[-1] == "no such thing: config"
        assert found.starts == 5
        assert found.next_start_in is not None
        assert found.next_start_in > 290
        await harness.state("good", State.ACTIVE)


async def test_a_parked_plugin_is_tried_again_later_and_by_enable(make_harness: MakeHarness) -> None:
    harness = make_harness(park=0.1)
    async with harness.run(harness.plugin("brief", "raise SystemExit(1)\n")) as supervisor:
        await harness.until(lambda: supervisor.plugin("brief").starts == 7)
    harness = make_harness()
    async with harness.run(replace(harness.plugin("short", "raise SystemExit(1)\n"))) as supervisor:
        await harness.state("short", State.PARKED)
        await supervisor.enable("short")
        await harness.until(lambda: supervisor.plugin("short").starts == 10)


async def test_a_plugin_that_never_registers_is_parked(make_harness: MakeHarness) -> None:
    harness = make_harness(register=0.2, term=0.1)
    async with harness.run(harness.plugin("silent", "import time\n" + FOREVER)):
        found = await harness.state("silent", State.PARKED)
    assert found.reason.name == "NEVER_REGISTERED"
    assert "0.2 s" in found.reason.text


async def test_a_refused_registration_is_parked_with_the_reason_of_the_refusal(harness: Harness) -> None:
    script = "import time; print('dialling', flush=True)\n" + FOREVER
    async with harness.run(harness.plugin("liar", script)) as supervisor:
        for start in range(5):
            await harness.until(lambda: sum(line.text == "dialling" for line in harness.lines) > start)  # noqa: B023
            supervisor.refused("liar", "UNAUTHENTICATED")
        found = await harness.state("liar", State.PARKED)
    assert found.reason.name == "UNAUTHENTICATED"
    assert found.reason.remedy


async def test_a_flood_is_bounded_in_records_and_on_disk(harness: Harness) -> None:
    script = "import sys\nwhile True: sys.stdout.write('flood ' * 1000 + '\\n')\n"
    async with harness.run(harness.plugin("flood", script), harness.plugin("good", GREET + FOREVER)):
        await harness.until(lambda: any("left out" in line.text for line in harness.lines))
        await harness.state("good", State.ACTIVE)
        log = harness.paths.plugin_log("flood")
        await harness.until(lambda: log.with_name("flood.log.1").exists())
        assert log.with_name("flood.log.1").stat().st_size <= 8 << 20


async def test_a_plugin_that_ignores_term_is_killed(harness: Harness) -> None:
    script = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + GREET + FOREVER
    async with harness.run(harness.plugin("stubborn", script)) as supervisor:
        found = await harness.state("stubborn", State.ACTIVE)
        harness.links["stubborn"].goaways.clear()
        await supervisor.disable("stubborn")
        assert found.pid is not None
        assert not psutil.pid_exists(found.pid)
        last = supervisor.plugin("stubborn").last_exit
        assert last is not None
        assert "SIGKILL" in last.text


async def test_nothing_of_the_tree_is_left_even_daemons_that_left_the_session(harness: Harness) -> None:
    child = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(3600)"
    script = "import subprocess, sys, time\n"
    script += f"for own in (False, True): print('child', subprocess.Popen([sys.executable, '-c', {child!r}],"
    script += " start_new_session=own).pid, flush=True)\n" + GREET + "time.sleep(0.2); sys.exit(1)\n"
    async with harness.run(harness.plugin("parent", script)) as supervisor:
        await harness.until(lambda: supervisor.plugin("parent").last_exit is not None)
        pids = [int(line.text.split()[1]) for line in harness.lines if line.text.startswith("child")][:2]
        await harness.until(lambda: supervisor.plugin("parent").starts == 2)
        assert len(pids) == 2
        assert not any(lives(pid) for pid in pids)


@pytest.mark.chaos
async def test_a_foreign_kill_restarts_at_once_and_never_parks(harness: Harness) -> None:
    async with harness.run(harness.plugin("victim", GREET + FOREVER)) as supervisor:
        for start in range(1, 8):
            await harness.until(
                lambda: (
                    supervisor.plugin("victim").starts == start  # noqa: B023
                    and supervisor.plugin("victim").state is State.ACTIVE
                )
            )
            pid = supervisor.plugin("victim").pid
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
        found = await harness.until(lambda: supervisor.plugin("victim").starts == 8)
        assert found is None
    assert State.PARKED not in harness.states("victim")
    reasons = {reason.name for _, state, reason in harness.changes if state is State.FAILED}
    assert reasons == {"KILLED"}


async def test_a_debugger_may_hold_a_plugin_as_long_as_it_is_connected(make_harness: MakeHarness) -> None:
    harness = make_harness(heartbeat=0.05)
    held = harness.plugin("held", GREET + FOREVER, watched=False)
    async with harness.run(held, harness.plugin("stuck", GREET + FOREVER)) as supervisor:
        await harness.state("held", State.ACTIVE)
        await harness.until(lambda: supervisor.plugin("stuck").starts == 3)
        assert supervisor.plugin("held").starts == 1
        supervisor.detached("held", "the connection ended")
        await harness.until(lambda: supervisor.plugin("held").starts == 2)
        assert "DETACHED" in {reason.name for name, state, reason in harness.changes if name == "held"}


async def test_missed_heartbeats_restart_and_a_heartbeat_prevents_that(make_harness: MakeHarness) -> None:
    harness = make_harness(heartbeat=0.05)
    async with harness.run(
        harness.plugin("stuck", GREET + FOREVER), harness.plugin("lively", GREET + FOREVER)
    ) as supervisor:
        beating = asyncio.create_task(_beat(supervisor.heartbeat))
        await harness.until(
            lambda: any(reason.name == "MISSED_HEARTBEATS" for _, _, reason in harness.changes)
        )
        beating.cancel()
        assert {name for name, _, reason in harness.changes if reason.name == "MISSED_HEARTBEATS"} == {
            "stuck"
        }


async def _beat(heartbeat: Callable[[str], None]) -> None:
    while True:
        heartbeat("lively")
        await asyncio.sleep(0.02)


async def test_readiness_and_connection_change_the_reason_not_the_process(harness: Harness) -> None:
    async with harness.run(harness.plugin("good", GREET + FOREVER)) as supervisor:
        before = await harness.state("good", State.ACTIVE)
        supervisor.not_ready("good", "the platform is down")
        found = supervisor.plugin("good")
        assert (found.state, found.ready, found.reason.name) == (State.ACTIVE, False, "NOT_READY")
        supervisor.ready("good")
        supervisor.detached("good", "stream reset")
        assert supervisor.plugin("good").reason.name == "DETACHED"
        supervisor.attached("good", harness.link())
        found = supervisor.plugin("good")
        assert (found.state, found.ready, found.pid) == (State.ACTIVE, True, before.pid)


async def test_restart_drains_and_starts_anew_without_counting(harness: Harness) -> None:
    async with harness.run(harness.plugin("good", GREET + FOREVER)) as supervisor:
        for start in range(1, 4):
            await harness.until(
                lambda: (
                    supervisor.plugin("good").starts == start  # noqa: B023
                    and supervisor.plugin("good").state is State.ACTIVE
                )
            )
            link = harness.links["good"]
            link._on_goaway = lambda: os.kill(supervisor.plugin("good").pid or 0, signal.SIGTERM)
            await supervisor.restart("good")
            assert link.goaways == ["RESTART"]
        await harness.state("good", State.ACTIVE)
    assert State.FAILED not in harness.states("good")


async def test_a_plugin_that_someone_else_starts_has_no_process(make_harness: MakeHarness) -> None:
    harness = make_harness(heartbeat=0.05)
    async with harness.run(harness.plugin("remote", "", launcher=EXTERNAL)) as supervisor:
        await harness.until(lambda: harness.paths.bootstrap("remote").exists())
        supervisor.attached("remote", harness.link())
        supervisor.ready("remote")
        found = supervisor.plugin("remote")
        assert (found.state, found.pid) == (State.ACTIVE, None)
        supervisor.detached("remote", "gone home")
        await harness.until(lambda: supervisor.plugin("remote").starts == 2)
        await harness.state("remote", State.STARTING)


async def test_broken_and_held_plugins_are_shown_beside_good_ones(harness: Harness) -> None:
    broken = PluginSpec(
        "broken", None, "folder x", error=Reason("MANIFEST_INVALID", "kind is wrong.", "Fix it.")
    )
    held = harness.plugin("stranger", GREET + FOREVER, hold=Reason("NEEDS_APPROVAL"))
    async with harness.run(broken, held, harness.plugin("good", GREET + FOREVER)) as supervisor:
        await harness.state("good", State.ACTIVE)
        assert supervisor.plugin("broken").state is State.FAILED
        with pytest.raises(CannotStart, match=r"kind is wrong\. Fix it\."):
            await supervisor.enable("broken")
        assert supervisor.plugin("stranger").state is State.STOPPED
        await supervisor.enable("stranger")
        await harness.state("stranger", State.ACTIVE)
        with pytest.raises(UnknownPlugin):
            await supervisor.enable("nobody")
        await supervisor.remove("stranger")
        assert [found.name for found in supervisor.snapshot()] == ["broken", "good"]


async def test_a_program_that_does_not_exist_says_so(harness: Harness) -> None:
    spec = harness.plugin("missing", "")
    assert spec.manifest is not None
    run = spec.manifest.run.model_copy(update={"python": None, "exec": ["./no-such-program"]})
    spec = replace(spec, manifest=spec.manifest.model_copy(update={"run": run}))
    async with harness.run(spec):
        found = await harness.state("missing", State.PARKED)
    assert found.reason.name == "LAUNCH_FAILED"
    assert "no-such-program cannot be started: No such file" in found.reason.text


async def test_cancelling_the_supervisor_leaves_the_processes_to_the_next_kernel(harness: Harness) -> None:
    harness.supervisor.add(harness.plugin("good", GREET + FOREVER))
    task = asyncio.create_task(harness.supervisor.run())
    pid = (await harness.state("good", State.ACTIVE)).pid
    task.cancel()
    await asyncio.wait([task])
    assert pid is not None
    process = psutil.Process(pid)
    assert process.status() != psutil.STATUS_ZOMBIE
    process.kill()
    process.wait()
