"""The `preloaded` launcher: plugins forked from a server that has imported what they all import.

Forked plugins share the memory of those imports and start without them. The server forks twice, so that a plugin becomes our own
child (we are the subreaper): it outlives the server and us as any other plugin does.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from importlib.util import find_spec
from typing import Any

from .errors import LaunchFailed
from .launcher import Exit, Launcher, LaunchSpec, Running
from .logfiles import open_for_append
from .oom import OomCounter
from .reaper import adopt_orphans
from .watched import WatchedProcess, watch_descriptor

SERVER = "jackfield_sdk.preload"
ANSWER_SECONDS = 10.0
_LONGEST = 64 << 10


class CannotFork(Exception):
    """Forking does not work here, for the reason given; the plugin is started in the plain way."""


class PreloadedLauncher:
    """Forks Python plugins of the kernel's own environment; leaves everything else to `plain`.

    `warm` starts the server ahead of the first plugin; it is started anew when it died or when packages changed.
    """

    def __init__(self, plain: Launcher) -> None:
        self.boundary, self.gaps, self.defaults = plain.boundary, plain.gaps, plain.defaults
        self._plain = plain
        self._server: _Server | None = None
        self._turn = asyncio.Lock()
        self._plainly: dict[str, str] = {}

    def warm(self) -> None:
        """Start the server now, so that it imports while the kernel still gets ready."""
        with suppress(CannotFork):
            self._ready_server()

    async def start(self, spec: LaunchSpec) -> Running:
        """Fork the plugin, or start it in the plain way when that cannot be. Raises LaunchFailed."""
        try:
            running = await asyncio.shield(asyncio.ensure_future(self._fork(spec)))
        except CannotFork as reason:
            self._plainly[spec.name] = str(reason)
            return await self._plain.start(spec)
        self._plainly.pop(spec.name, None)
        return running

    def explain(self, plugin: str) -> str:
        """Why the plugin was started in the plain way, if it was."""
        return f"started as a plain process: {why}" if (why := self._plainly.get(plugin)) else ""

    async def close(self) -> None:
        """End the server; what it forked goes on."""
        server, self._server = self._server, None
        if server is not None:
            await asyncio.to_thread(server.close)

    async def _fork(self, spec: LaunchSpec) -> Running:
        request = _request(spec)
        oom = OomCounter()
        log = open_for_append(spec.log_path)
        try:
            async with self._turn:
                server = self._ready_server()
                try:
                    answer = await server.ask(request, log)
                except (OSError, ValueError, TimeoutError) as error:
                    # It died, was killed or hangs: nobody else is hurt, and the next start gets a new one.
                    self._server = None
                    await asyncio.to_thread(server.close)
                    raise CannotFork(f"the preload server did not answer ({error!r})") from error
        except OSError as error:
            raise LaunchFailed(f"{spec.name} cannot be started: {error}.") from error
        finally:
            os.close(log)
        if "pid" not in answer:
            raise CannotFork(str(answer.get("error")))
        try:
            return ForkedProcess(int(answer["pid"]), str(spec.bootstrap_path), oom)
        except ProcessLookupError as error:
            raise LaunchFailed(f"{spec.name} ended at once.", remedy="Read its last log lines.") from error

    def _ready_server(self) -> _Server:
        if self._server is not None and not self._server.fits():
            self._server.close()
            self._server = None
        if self._server is None:
            if not hasattr(os, "pidfd_open") or not adopt_orphans():
                raise CannotFork(f"{sys.platform} has no subreaper and pidfd")
            if find_spec(SERVER.partition(".")[0]) is None or find_spec(SERVER) is None:
                raise CannotFork(f"the kernel's environment has no {SERVER}")
            self._server = _Server()
        return self._server


class ForkedProcess(WatchedProcess):
    """A plugin that the server forked. Raises ProcessLookupError when it is gone already."""

    def __init__(self, pid: int, mark: str, oom: OomCounter) -> None:
        self._descriptor = os.pidfd_open(pid)
        super().__init__(pid, mark)
        self._oom = oom
        watch_descriptor(os.dup(self._descriptor), self._loop, self._reap)

    def _send(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._descriptor, number)

    def _reap(self) -> None:
        try:
            found = os.waitid(os.P_PIDFD, self._descriptor, os.WEXITED)
        except ChildProcessError:
            found = None
        os.close(self._descriptor)
        if found is None:
            self._end(Exit(None, None, self._killed_by_us))
        elif found.si_code == os.CLD_EXITED:
            self._end(Exit(found.si_status, None, self._killed_by_us))
        else:
            oom = found.si_status == signal.SIGKILL and not self._killed_by_us and self._oom.rose()
            self._end(Exit(None, found.si_status, self._killed_by_us, oom))


class _Server:
    """One preload server. Asked by one at a time."""

    def __init__(self) -> None:
        self._packages = _packages()
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._socket.setblocking(False)
        with theirs:
            command = (sys.executable, "-P", "-u", "-X", "faulthandler", "-m", SERVER, str(theirs.fileno()))
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                env={
                    name: os.environ[name]
                    for name in ("PATH", "HOME", "LANG", "LC_ALL")
                    if name in os.environ
                },
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )

    def fits(self) -> bool:
        """Whether it lives and what it imported is what is installed now."""
        return self._process.poll() is None and self._packages == _packages()

    async def ask(self, request: bytes, log: int) -> dict[str, Any]:
        """Send a request and return the answer. Raises OSError, ValueError, TimeoutError."""
        async with asyncio.timeout(ANSWER_SECONDS):
            socket.send_fds(self._socket, [request], [log])
            return dict(json.loads(await asyncio.get_running_loop().sock_recv(self._socket, _LONGEST)))

    def close(self) -> None:
        """End it and wait for that. Blocks for some milliseconds."""
        self._socket.close()
        self._process.kill()
        self._process.wait()


def _request(spec: LaunchSpec) -> bytes:
    *_, flag, module = spec.argv
    if flag != "-m" or spec.argv[0] != sys.executable:
        raise CannotFork("it is no Python plugin of the kernel's environment")
    env = dict(spec.env)
    path = [folder for folder in env.get("PYTHONPATH", "").split(os.pathsep) if folder]
    fields = {
        "name": spec.name,
        "module": module,
        "env": env,
        "cwd": str(spec.cwd),
        "path": path,
    }
    raw = json.dumps(fields).encode()
    if len(raw) > _LONGEST:
        raise CannotFork("its environment is too long")
    return raw


def _packages() -> tuple[int, ...]:
    """Changes whenever a package is installed or removed: a fork would go on with the old one."""
    found = []
    for folder in sys.path:
        with suppress(OSError):
            found.append(os.stat(folder).st_mtime_ns)
    return tuple(found)
