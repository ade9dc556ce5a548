"""Plugins forked from the preload server: what they become, how they end, and who survives whom."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest
from jackfield_kernel import forkserver
from jackfield_kernel.manifest import Limits
from jackfield_kernel.supervisor import Exit, LaunchSpec, PreloadedLauncher, ProcessLauncher
from jackfield_kernel.supervisor.reaper import adopt_orphans, reap_orphans

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(sys.platform != "linux", reason="forking needs Linux"),
]

started = subprocess.Popen
"""Returns at once; under this name the linter takes it for no blocking call."""

TELL = """\
import json, os, random, sys
print(json.dumps({
    "argv": sys.argv, "name": __name__, "file": os.path.basename(__file__), "env": dict(os.environ), "cwd": os.getcwd(),
    "leads": os.getsid(0) == os.getpid() == os.getpgid(0), "stdin": os.readlink("/proc/self/fd/0"), "dice": random.random(),
    "descriptors": sorted(map(int, os.listdir("/proc/self/fd")))[:-1], "grpc": "grpc.aio" in sys.modules,
    "title": open("/proc/self/cmdline").read().rstrip("\\0"), "comm": open("/proc/self/comm").read().strip(), "parent": os.getppid(),
}))
"""
WAIT = "import signal\nprint('up', flush=True)\nsignal.pause()\n"


def spec(folder: Path, script: str, name: str = "forked") -> LaunchSpec:
    for part in (name, "home", "logs", "bootstrap"):
        (folder / part).mkdir(exist_ok=True)
    (folder / name / "__main__.py").write_text(script)
    return LaunchSpec(
        name,
        (sys.executable, "-P", "-u", "-X", "faulthandler", "-m", name),
        {"PYTHONPATH": str(folder), "TZ": "UTC", "JACKFIELD_BOOTSTRAP": str(folder / f"{name}.json")},
        folder / "home",
        folder / "logs" / f"{name}.log",
        folder / f"{name}.json",
        Limits(),
    )


async def said(one: LaunchSpec, line: str) -> None:
    """Wait for a line of its log."""
    async with asyncio.timeout(10):
        while line not in one.log_path.read_text().splitlines():
            await asyncio.sleep(0.005)


@pytest.fixture
async def launcher() -> AsyncIterator[PreloadedLauncher]:
    one = PreloadedLauncher(ProcessLauncher())
    yield one
    await one.close()


async def test_a_forked_plugin_is_what_python_m_would_be(tmp_path: Path, launcher: PreloadedLauncher) -> None:
    one = spec(tmp_path, TELL)
    dice = []
    for _ in range(2):
        running = await launcher.start(one)
        assert await running.wait() == Exit(0, None)
        told = json.loads(one.log_path.read_text().splitlines()[-1])
        dice.append(told.pop("dice"))
        assert told == {
            "argv": [str(tmp_path / "forked" / "__main__.py")],
            "name": "__main__",
            "file": "__main__.py",
            "env": dict(one.env),
            "cwd": str(one.cwd),
            "leads": True,
            "stdin": "/dev/null",
            "descriptors": [0, 1, 2],
            "grpc": True,
            "title": f"{sys.executable} -m forked",
            "comm": "forked",
            "parent": os.getpid(),
        }
    assert dice[0] != dice[1]
    assert launcher.explain("forked") == ""


@pytest.mark.parametrize(
    ("script", "exit_", "words"),
    [
        ("import sys; sys.exit(7)", Exit(7, None), ""),
        ("import sys; sys.exit('why')", Exit(1, None), "why"),
        ("raise LookupError('lost')", Exit(1, None), "LookupError: lost"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", Exit(None, signal.SIGKILL), ""),
        ("import faulthandler; faulthandler._sigsegv()", Exit(None, signal.SIGSEGV), "Segmentation fault"),
        ("import atexit; atexit.register(print, 'bye')", Exit(0, None), "bye"),
    ],
)
async def test_how_it_ended_is_known_and_said(
    tmp_path: Path, launcher: PreloadedLauncher, script: str, exit_: Exit, words: str
) -> None:
    one = spec(tmp_path, script)
    running = await launcher.start(one)
    assert await running.wait() == exit_
    assert words in one.log_path.read_text()
    await running.kill(0)


async def test_kill_ends_the_tree(tmp_path: Path, launcher: PreloadedLauncher) -> None:
    script = (
        "import subprocess, sys\nsubprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
    )
    one = spec(tmp_path, script + WAIT)
    running = await launcher.start(one)
    await said(one, "up")
    (child,) = psutil.Process(running.pid).children()
    await running.kill(0.2)
    assert (await running.wait()).by_us
    assert not psutil.pid_exists(running.pid)
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE


async def test_plugins_outlive_their_server_and_the_next_start_gets_another(
    tmp_path: Path, launcher: PreloadedLauncher
) -> None:
    first = await launcher.start(one := spec(tmp_path, WAIT))
    await said(one, "up")
    server = launcher.server_pid
    assert server is not None
    psutil.Process(server).kill()
    second = await launcher.start(other := spec(tmp_path, WAIT, "other"))
    await said(other, "up")
    assert launcher.server_pid not in (None, server)
    assert not first.gone
    psutil.Process(first.pid).kill()
    assert await first.wait() == Exit(None, signal.SIGKILL)
    await second.kill(0.2)


KERNEL = """\
import asyncio, os, signal, sys
from pathlib import Path
from jackfield_kernel.manifest import Limits
from jackfield_kernel.supervisor import LaunchSpec, PreloadedLauncher, ProcessLauncher
folder = Path(sys.argv[1])
async def main():
    launcher = PreloadedLauncher(ProcessLauncher())
    log = folder / "logs" / "forked.log"
    argv = (sys.executable, "-P", "-u", "-X", "faulthandler", "-m", "forked")
    env = {"PYTHONPATH": str(folder), "JACKFIELD_BOOTSTRAP": str(folder / "forked.json")}
    one = LaunchSpec("forked", argv, env, folder / "home", log, folder / "forked.json", Limits())
    running = await launcher.start(one)
    print(running.pid, launcher.server_pid, flush=True)
    signal.pause()
asyncio.run(main())
"""


async def test_a_dead_kernel_takes_its_server_along_but_no_plugin(tmp_path: Path) -> None:
    one = spec(tmp_path, WAIT)
    # Whoever is orphaned here becomes ours, so that it can be waited for.
    assert adopt_orphans()
    kernel = started([sys.executable, "-c", KERNEL, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    with kernel:
        assert kernel.stdout is not None
        plugin, server = (psutil.Process(int(pid)) for pid in kernel.stdout.readline().split())
        kernel.kill()
    await said(one, "up")
    assert psutil.wait_procs([server], 5)[0] == [server]
    assert plugin.is_running()
    plugin.kill()
    plugin.wait(5)


async def test_what_is_no_python_of_ours_starts_plainly(tmp_path: Path, launcher: PreloadedLauncher) -> None:
    one = spec(tmp_path, "")
    other = LaunchSpec(**{**vars(one), "argv": ("/bin/sh", "-c", "exit 3")})
    running = await launcher.start(other)
    assert (await running.wait()).code == 3
    assert "no Python plugin of the kernel's environment" in launcher.explain("forked")


async def test_an_environment_without_the_server_starts_plainly(
    tmp_path: Path, launcher: PreloadedLauncher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forkserver, "PACKAGE", "no_such_package")
    assert forkserver.early() is None
    running = await launcher.start(spec(tmp_path, "raise SystemExit(4)"))
    assert (await running.wait()).code == 4
    assert "has no no_such_package" in launcher.explain("forked")


async def test_a_server_that_does_not_come_up_is_no_obstacle(
    tmp_path: Path, launcher: PreloadedLauncher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forkserver, "SERVER", "__init__")  # It imports, and ends.
    running = await launcher.start(spec(tmp_path, "raise SystemExit(5)"))
    assert (await running.wait()).code == 5
    assert "died twice" in launcher.explain("forked")


async def test_a_new_package_means_a_new_server(
    tmp_path: Path, launcher: PreloadedLauncher, monkeypatch: pytest.MonkeyPatch
) -> None:
    packages = tmp_path / "site-packages"
    packages.mkdir()
    monkeypatch.setattr(sys, "path", [*sys.path, str(packages)])
    servers = []
    for name in ("one", "two"):
        (packages / name).mkdir()
        os.utime(packages, ns=(len(servers), len(servers)))
        await (await launcher.start(spec(tmp_path, ""))).wait()
        servers.append(launcher.server_pid)
    assert servers[0] != servers[1]


async def test_a_server_with_a_second_thread_refuses_to_fork(tmp_path: Path) -> None:
    code = (
        "import json, socket, sys, threading\nfrom jackfield_sdk import preload\n"
        "kernel = socket.socket(fileno=int(sys.argv[1]))\n"
        "threading.Thread(target=threading.Event().wait, daemon=True).start()\n"
        "assert preload.serve(kernel) is None\n"
    )
    ours, theirs = forkserver.socket.socketpair(forkserver.socket.AF_UNIX, forkserver.socket.SOCK_SEQPACKET)
    with ours, (tmp_path / "log").open("w") as log:
        with theirs:
            server = started([sys.executable, "-c", code, str(theirs.fileno())], pass_fds=[theirs.fileno()])
        request = {"name": "x", "module": "x", "env": {}, "cwd": "/", "path": []}
        forkserver.socket.send_fds(ours, [json.dumps(request).encode()], [log.fileno(), log.fileno()])
        answer = json.loads(await asyncio.to_thread(ours.recv, 1000))
    assert "2 threads" in answer["error"]
    assert await asyncio.to_thread(server.wait, 5) == 0


async def test_orphans_that_ended_are_buried_and_what_we_started_is_not(tmp_path: Path) -> None:
    assert adopt_orphans()
    # The shell leads a session, ends, and leaves a child that ends a moment later.
    shell = started(["sh", "-c", "sleep 0.05 & echo $!"], stdout=subprocess.PIPE, start_new_session=True)
    ours = started(["true"], start_new_session=True)
    assert shell.stdout is not None
    orphan = int(await asyncio.to_thread(shell.stdout.read))
    shell.stdout.close()
    async with asyncio.timeout(5):
        while psutil.pid_exists(orphan):
            await asyncio.to_thread(reap_orphans)
    assert (shell.wait(), ours.wait()) == (0, 0)
