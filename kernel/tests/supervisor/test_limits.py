"""Limits: control groups on a made-up file system, the watchdog on real processes, and what a plugin is told."""

from __future__ import annotations

import asyncio
import os
import resource
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from jackfield_kernel.manifest import Limits
from jackfield_kernel.supervisor import ControlGroups, Limiter, Reason
from jackfield_kernel.supervisor.launcher import effective
from jackfield_kernel.supervisor.limits import delegated_group, rlimits
from jackfield_kernel.supervisor.limits.limiter import CPU_WINDOW, Hold
from jackfield_kernel.supervisor.limits.usage import Usage, measure

started = subprocess.Popen
"""Returns at once; under this name the linter takes it for no blocking call."""

ALL = Limits(memory=64 << 20, cpu=0.5, pids=20, files=100)


# Control groups.


def delegated(
    tmp_path: Path, controllers: str = "cpu memory pids io", path: str = "/"
) -> tuple[Path, Path, Path]:
    """The files of a delegated group, of /proc/self/cgroup and of /proc/self/mountinfo."""
    mount = tmp_path / "cgroup"
    base = mount / path.lstrip("/")
    base.mkdir(parents=True)
    for name in ("cgroup.procs", "cgroup.subtree_control"):
        (base / name).touch()
    (base / "cgroup.controllers").write_text(controllers + "\n")
    own, mounts = tmp_path / "own", tmp_path / "mounts"
    own.write_text(f"12:pids:/somewhere\n0::{path}\n")
    mounts.write_text(f"30 23 0:26 / {mount} rw,nosuid shared:9 - cgroup2 cgroup2 rw\n")
    return base, own, mounts


def part(base: Path, name: str) -> Path:
    """A group as the kernel of the system would make it."""
    folder = base / name
    folder.mkdir()
    for file in ("cgroup.procs", "cgroup.kill", "memory.swap.max"):
        (folder / file).touch()
    (folder / "memory.events").write_text("oom 0\noom_kill 0\n")
    return folder


def test_the_limits_stand_in_the_group(tmp_path: Path) -> None:
    base, own, mounts = delegated(tmp_path)
    kernel, plugin = part(base, "kernel"), part(base, "jf-echo")
    groups = ControlGroups.delegated("jf", own, mounts)
    assert groups is not None
    assert (base / "cgroup.subtree_control").read_text() == "+cpu +memory +pids"
    assert (kernel / "cgroup.procs").read_text()
    group = groups.group("echo", ALL)
    group.take(os.getpid())
    assert (plugin / "cgroup.procs").read_text()
    found = {
        name: (plugin / name).read_text() for name in ("memory.max", "memory.swap.max", "pids.max", "cpu.max")
    }
    assert found == {
        "memory.max": str(64 << 20),
        "memory.swap.max": "0",
        "pids.max": "20",
        "cpu.max": "50000 100000",
    }
    assert not group.oom_killed()
    (plugin / "memory.events").write_text("oom 1\noom_kill 2\n")
    assert group.oom_killed()
    group.remove()
    assert (plugin / "cgroup.kill").read_text() == "1"


def test_a_service_is_divided_where_systemd_starts_us_below_it(tmp_path: Path) -> None:
    base, own, mounts = delegated(tmp_path, path="/system.slice/jackfield.service")
    inner = part(base, "kernel")
    own.write_text("0::/system.slice/jackfield.service/kernel\n")
    assert delegated_group(own, mounts) is None, "nobody said that it is ours"
    os.setxattr(base, "user.delegate", b"1")
    assert delegated_group(own, mounts) == base
    assert inner.exists()
    own.write_text("0::/system.slice/jackfield.service\n")
    assert delegated_group(own, mounts) is None, "the next kernel could not be started in it"


def test_a_container_is_divided_from_its_root(tmp_path: Path) -> None:
    base, own, mounts = delegated(tmp_path)
    assert delegated_group(own, mounts) == base
    part(base, "kernel")
    own.write_text("0::/kernel\n")
    assert delegated_group(own, mounts) == base


def test_what_nobody_delegated_is_left_alone(tmp_path: Path) -> None:
    _, own, mounts = delegated(tmp_path, path="/user.slice/session-1.scope")
    assert delegated_group(own, mounts) is None
    own.write_text("1:name=systemd:/\n")
    assert delegated_group(own, mounts) is None
    assert delegated_group(tmp_path / "nothing", mounts) is None


def test_a_group_without_our_controllers_is_no_use(tmp_path: Path) -> None:
    _, own, mounts = delegated(tmp_path, controllers="hugetlb io")
    assert ControlGroups.delegated("jf", own, mounts) is None


def test_a_limit_without_its_controller_is_left_to_the_watchdog(tmp_path: Path) -> None:
    base, own, mounts = delegated(tmp_path, controllers="memory")
    part(base, "kernel")
    groups = ControlGroups.delegated("jf", own, mounts)
    assert groups is not None
    assert groups.enforces(Limits(memory=1 << 20))
    assert not groups.enforces(ALL)
    assert Limiter(groups).gaps(Limits(memory=1 << 20)) == ()
    assert len(Limiter(groups).gaps(ALL)) == 3


def test_an_out_of_memory_kill_in_the_group_is_the_reason(tmp_path: Path) -> None:
    base, own, mounts = delegated(tmp_path)
    part(base, "kernel")
    plugin = part(base, "jf-echo~2")
    limiter = Limiter(ControlGroups.delegated("jf", own, mounts))
    hold = limiter.hold("echo~2", os.getpid(), ALL, lambda reason: None)
    assert hold.overrun() is None
    (plugin / "memory.events").write_text("oom_kill 1\n")
    reason = hold.overrun()
    assert reason is not None
    assert (reason.name, "64 MiB" in reason.text, "plugins.echo" in reason.remedy) == (
        "MEMORY_LIMIT",
        True,
        True,
    )
    limiter.release(hold)


if delegated_group() is not None:
    # Collected only where this process stands in a group that was delegated to it.
    def test_a_real_group_ends_what_uses_too_much_memory() -> None:
        groups = ControlGroups.delegated("jf-test")
        assert groups is not None
        group = groups.group("greedy", Limits(memory=64 << 20))
        code = "import sys; sys.stdin.readline(); held = bytearray(b'x') * (256 << 20); sys.stdin.readline()"
        with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, text=True) as child:
            group.take(child.pid)
            assert child.stdin is not None
            child.stdin.write("go\n")
            child.stdin.flush()
            assert child.wait(20) == -9
        assert group.oom_killed()
        group.remove()


# The watchdog.


@asynccontextmanager
async def watched(code: str, limits: Limits) -> AsyncIterator[tuple[int, asyncio.Future[Reason]]]:
    """A process that is held to limits; the future is the reason for which it is to be ended."""
    limiter = Limiter(seconds=0.05)
    ending: asyncio.Future[Reason] = asyncio.get_running_loop().create_future()

    def end(reason: Reason) -> None:
        if not ending.done():
            ending.set_result(reason)

    child = started([sys.executable, "-c", code], stdin=subprocess.PIPE, start_new_session=True)
    watching = asyncio.create_task(limiter.watch())
    hold = limiter.hold("greedy", child.pid, limits, end)
    try:
        yield child.pid, ending
    finally:
        limiter.release(hold)
        watching.cancel()
        with child:
            os.killpg(child.pid, 9)


@pytest.mark.integration
@pytest.mark.parametrize(
    ("code", "limits", "reason"),
    [
        ("held = bytearray(b'x') * (100 << 20)", Limits(memory=50 << 20), "MEMORY_LIMIT"),
        (
            "import subprocess\nfor _ in range(8): subprocess.Popen(['sleep', '600'])",
            Limits(pids=5),
            "PIDS_LIMIT",
        ),
        (
            "import threading\nfor _ in range(8): threading.Thread(target=threading.Event().wait).start()",
            Limits(pids=5),
            "PIDS_LIMIT",
        ),
    ],
)
async def test_what_uses_too_much_is_ended(code: str, limits: Limits, reason: str) -> None:
    async with watched(f"{code}\ninput()", limits) as (_, ending), asyncio.timeout(20):
        assert (await ending).name == reason


@pytest.mark.integration
async def test_children_count_and_shared_pages_count_once() -> None:
    code = (
        "import os\nheld = bytearray(b'x') * (40 << 20)\n"
        "for _ in range(4):\n  if os.fork() == 0: break\nprint('ready', flush=True)\ninput()"
    )
    child = started(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    )
    with child:
        assert child.stdout is not None
        for _ in range(5):
            child.stdout.readline()
        by_resident = measure([child.pid], {})[child.pid]
        by_share = measure([child.pid], {child.pid: 1 << 20})[child.pid]
        os.killpg(child.pid, 9)
    assert by_resident.tasks == 5
    assert by_resident.memory > 200 << 20
    assert by_share.memory < 120 << 20


@pytest.mark.integration
async def test_a_process_is_bounded_by_the_system_too() -> None:
    async with watched("input()", Limits(files=77, memory=10 << 30)) as (pid, _):
        assert resource.prlimit(pid, resource.RLIMIT_NOFILE) == (77, 77)
        assert resource.prlimit(pid, resource.RLIMIT_DATA) == (11 << 30, 11 << 30)


def hold(limits: Limits) -> tuple[Hold, list[Reason]]:
    ended: list[Reason] = []
    return Hold("busy", 1, limits, ended.append), ended


def test_cpu_is_judged_over_a_window_and_over_processes_that_come_and_go() -> None:
    one, ended = hold(Limits(cpu=0.5))
    for second in range(int(CPU_WINDOW) * 3):
        # A fresh process each ten seconds, each busy for four tenths of the time.
        one.judge(Usage(0, 1, {second // 10: 0.4 * (second % 10)}), float(second))
    assert not ended
    one, ended = hold(Limits(cpu=0.5))
    for second in range(int(CPU_WINDOW)):
        one.judge(Usage(0, 1, {7: 0.9 * second}), float(second))
        assert not ended, "a burst is allowed"
    one.judge(Usage(0, 1, {7: 0.9 * CPU_WINDOW}), CPU_WINDOW)
    assert [reason.name for reason in ended] == ["CPU_LIMIT"]
    assert "0.90 cores" in ended[0].text


def test_the_operator_stands_before_the_manifest_and_that_before_the_launcher() -> None:
    found = effective(
        Limits(memory=1 << 20), Limits(memory=2 << 20, pids=2), Limits(memory=3, pids=3, files=300)
    )
    assert found == Limits(memory=1 << 20, pids=2, files=300)


def test_only_what_one_process_can_be_held_to_is_a_bound_of_the_process() -> None:
    assert rlimits(Limits(cpu=1.0, pids=3)) == {}
    assert set(rlimits(ALL)) == {"nofile", "data"}
