"""The `preloaded` launcher: plugins forked from a server that has imported what they all import.

Forked plugins share the memory of those imports and start without them. The server forks twice, so that a plugin becomes our own
child (we are the subreaper): it outlives the server and us as any other plugin does.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import socket
import sys
from contextlib import suppress
from typing import Any

from ..forkserver import CannotFork, ForkServer
from .errors import LaunchFailed
from .launcher import Exit, Launcher, LaunchSpec, Running
from .logfiles import open_for_append
from .oom import OomCounter
from .reaper import adopt_orphans
from .watched import WatchedProcess, watch_descriptor

ANSWER_SECONDS = 10.0
_LONGEST = 64 << 10

_log = logging.getLogger(__name__)


class PreloadedLauncher:
    """Forks Python plugins of the kernel's own environment; leaves everything else to `plain`.

    `server` is one that was started already; it is started anew when it died or when packages changed.
    """

    def __init__(self, plain: Launcher, server: ForkServer | None = None) -> None:
        self.boundary, self.gaps, self.defaults = plain.boundary, plain.gaps, plain.defaults
        self._plain = plain
        self._server = server
        self._turn = asyncio.Lock()
        self._plainly: dict[str, str] = {}

    @property
    def server_pid(self) -> int | None:
        """The process id of the server; None while there is none."""
        return self._server.pid if self._server else None

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
                answer = await self._asked(request, log) or await self._asked(request, log)
        finally:
            os.close(log)
        if answer is None:
            raise CannotFork("the preload server died twice without an answer")
        pid, begin = answer
        try:
            running = ForkedProcess(pid, str(spec.bootstrap_path), oom)
            os.write(begin, b"!")
        except (ProcessLookupError, BrokenPipeError) as error:
            raise LaunchFailed(f"{spec.name} ended at once.", remedy="Read its last log lines.") from error
        finally:
            os.close(begin)
        return running

    async def _asked(self, request: bytes, log: int) -> tuple[int, int] | None:
        """Return the plugin's process id and the pipe by which it begins; None when the server died. Raises CannotFork."""
        server = self._ready_server()
        theirs, begin = os.pipe()
        try:
            answer = await _answer(server, request, [log, theirs])
            return int(answer["pid"]), begin
        except KeyError:
            os.close(begin)
            raise CannotFork(str(answer.get("error"))) from None
        except (OSError, ValueError, TimeoutError) as error:
            # It died, was killed or hangs. Nobody else is hurt; what it forked just now never begins.
            _log.warning("the preload server did not answer: %r", error)
            os.close(begin)
            self._server = None
            await asyncio.to_thread(server.close)
            return None
        finally:
            os.close(theirs)

    def _ready_server(self) -> ForkServer:
        if not adopt_orphans() or not hasattr(os, "pidfd_open"):
            raise CannotFork(f"it needs Linux 5.3 with pidfd, this is {sys.platform}")
        if self._server is not None and not self._server.fits():
            self._server.close()
            self._server = None
        if self._server is None:
            self._server = ForkServer()
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


async def _answer(server: ForkServer, request: bytes, files: list[int]) -> dict[str, Any]:
    """Send a request and return the answer. Raises OSError, ValueError, TimeoutError."""
    async with asyncio.timeout(ANSWER_SECONDS):
        socket.send_fds(server.channel, [request], files)
        return dict(json.loads(await asyncio.get_running_loop().sock_recv(server.channel, _LONGEST)))


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
