"""The `isolated` launcher: bubblewrap around a plugin that nobody vouches for."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from ...manifest import Limits
from ..errors import IsolationUnavailable, LaunchFailed
from ..launcher import LaunchSpec, Running
from ..limits import rlimits
from ..logfiles import open_for_append
from ..oom import OomCounter
from ..process import RunningProcess
from ..reaper import adopt_orphans
from ..tree import MARK
from .recipe import arguments, outside
from .seccomp import program, supported
from .staging import give_home, staged, user_of

PROGRAM = "bwrap"
PROBE_SECONDS = 10.0
STRANGER = Limits(memory=512 << 20, pids=256, files=1024)
"""Bounds of a plugin whose manifest and operator set none."""

_INSTALL = "Install bubblewrap 0.8 or newer and util-linux (on Debian: apt-get install bubblewrap)"
_ALLOW = (
    "Let this user make user name spaces (sysctl kernel.unprivileged_userns_clone=1,"
    " kernel.apparmor_restrict_unprivileged_userns=0, or a container that allows it)"
)
_OR_TRUST = "or say `jackfield plugin trust {name}` to run it with the kernel's own rights."


class IsolatedLauncher:
    """Starts plugins in a sandbox. `hidden`: the data and the runtime directory, of which a plugin sees its own parts only."""

    boundary = "isolated"
    gaps = ("disk: its own folder may grow",)
    defaults = STRANGER

    def __init__(self, hidden: tuple[Path, ...], program_path: str = PROGRAM) -> None:
        self._hidden = hidden
        self._program = program_path
        self._works = False

    def explain(self, plugin: str) -> str:
        """There is no other way: what cannot be isolated does not start."""
        return ""

    async def start(self, spec: LaunchSpec) -> Running:
        """Start the plugin in a sandbox. Raises IsolationUnavailable where none works, LaunchFailed."""
        if os.getuid() == 0:
            _require_open(spec)
            await asyncio.to_thread(give_home, spec.cwd, user_of(spec))
        if not self._works:
            await asyncio.to_thread(probe, spec, self._hidden, self._program)
            self._works = True
        adopt_orphans()
        oom = OomCounter()
        log = open_for_append(spec.log_path)
        try:
            child = _popen(spec, self._hidden, self._program, log)
        except OSError as error:
            raise LaunchFailed(f"{spec.name} cannot be started: {error}.") from error
        finally:
            os.close(log)
        return RunningProcess(child, str(spec.bootstrap_path), oom)


def probe(spec: LaunchSpec, hidden: tuple[Path, ...], program_path: str = PROGRAM) -> None:
    """Start a sandbox as for `spec` that does nothing. Blocks for some ten milliseconds.

    Raises IsolationUnavailable with what is missing.
    """
    or_trust = _OR_TRUST.format(name=spec.name)
    needed = [program_path, "prlimit", *(("unshare", "setpriv", "mount") if os.getuid() == 0 else ())]
    for one in needed:
        if shutil.which(one) is None:
            raise IsolationUnavailable(f"{one} is not installed.", remedy=f"{_INSTALL}, {or_trust}")
    if not supported():
        machine = os.uname().machine
        raise IsolationUnavailable(
            f"There is no system call filter for {machine}.", remedy=or_trust.capitalize()
        )
    nothing = replace(spec, argv=("true",))
    try:
        child = _popen(nothing, hidden, program_path, subprocess.PIPE)
        with child:
            said, _ = child.communicate(timeout=PROBE_SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise IsolationUnavailable(f"{program_path} does not work here: {error}.", remedy=or_trust) from error
    if child.returncode:
        words = said.decode(errors="replace").strip() or f"exit code {child.returncode}"
        raise IsolationUnavailable(
            f"{program_path} does not work here: {words}.", remedy=f"{_ALLOW}, {or_trust}"
        )


def _require_open(spec: LaunchSpec) -> None:
    if spec.code is not None and spec.code.stat().st_mode & 0o005 != 0o005:
        raise LaunchFailed(
            f"{spec.code} is closed to the user that {spec.name} runs as in its sandbox.",
            remedy=f"Open it: chmod -R o+rX {spec.code}",
        )


def _popen(
    spec: LaunchSpec, hidden: tuple[Path, ...], program_path: str, log: int
) -> subprocess.Popen[bytes]:
    view, limits = outside(spec, hidden), spec.limits
    with ExitStack() as stack:

        def memory_file(name: str) -> int:
            file = os.memfd_create(name)
            stack.callback(os.close, file)
            return file

        given, bootstrap, seccomp = map(memory_file, ("arguments", "bootstrap", "seccomp"))
        # The number of processes is bounded inside: there the count is the sandbox's own.
        inner = ["prlimit", f"--nproc={limits.pids}", "--", *spec.argv] if limits.pids else [*spec.argv]
        bounds = [f"--{name}={value}" for name, value in rlimits(limits).items()]
        command = ["prlimit", "--core=0", *bounds, "--", program_path, "--args", str(given), "--", *inner]
        sources = view.all()
        if os.getuid() == 0:
            command, sources = staged(sources, user_of(spec), command)
        _fill(bootstrap, spec.bootstrap_path.read_bytes())
        _fill(seccomp, program())
        words = arguments(spec, view, sources, bootstrap, seccomp)
        # By a file and not in the command line, which the sandbox can read: it would name our folders.
        _fill(given, b"".join(os.fsencode(word) + b"\0" for word in words))
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd="/",
            env={"PATH": os.environ.get("PATH", os.defpath), MARK: str(spec.bootstrap_path)},
            pass_fds=(given, bootstrap, seccomp),
            start_new_session=True,
        )


def _fill(file: int, content: bytes) -> None:
    os.write(file, content)
    os.lseek(file, 0, os.SEEK_SET)
