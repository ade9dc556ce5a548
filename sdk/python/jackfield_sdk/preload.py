"""A server that has imported what every plugin imports, and forks plugins: `python -m jackfield_sdk.preload FD`.

The kernel starts it and speaks to it over the inherited socket FD, which keeps messages apart (SOCK_SEQPACKET). A request is one
JSON object with two attached descriptors, the plugin's log file and the reading end of a pipe:

    {"name", "module", "env", "cwd", "path"}     path: folders to import from first
    {"pid": 4711}  or  {"error": "a sentence"}            the answer

Each plugin is the child of a child that ends at once. So it belongs to the kernel, which is the subreaper of all that it
started: the kernel learns how it ended although this server may be gone by then, and neither ends with the other. The server
ends with its kernel, at the end of file.

A plugin begins when a byte comes down its pipe. So one that its kernel never heard of, because this server died before it could
answer, does not run.

Nothing here may create a gRPC object or start a thread: neither survives a fork.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import runpy
import signal
import socket
import sys
import time
from dataclasses import dataclass
from typing import Any

import setproctitle

LONGEST = 64 << 10
WARM = (
    "grpc.aio",
    "jackfield_sdk.serve",
    "jackfield_sdk.manifest",
    "asyncio",
    "logging",
    "ssl",
    "aiohttp.web",
)
"""What plugins import, ready before the first fork; what is not installed is left out."""


@dataclass(frozen=True)
class Request:
    """One plugin to become."""

    name: str
    module: str
    env: dict[str, str]
    cwd: str
    path: tuple[str, ...]
    log: int
    begin: int


def main() -> None:
    """Serve until the kernel is gone; in a forked child, run the plugin."""
    kernel = socket.socket(fileno=int(sys.argv[1]))
    for module in WARM:
        try:
            importlib.import_module(module)
        except ImportError:
            continue  # Not every environment has it, and no plugin of this one can import it either.
    # Its first use looks for the memory of command line and environment, which a child's changes would hide.
    setproctitle.getproctitle()
    # What lives now lives on: no collection in a child touches, and so copies, its pages.
    gc.collect()
    gc.freeze()
    request = serve(kernel)
    if request is not None:
        become(request)
        runpy.run_module(request.module, run_name="__main__", alter_sys=True)


def serve(kernel: socket.socket) -> Request | None:
    """Fork a child for each request. Returns None at the end of file, in the server, and the request in a child."""
    while True:
        raw, files, _, _ = socket.recv_fds(kernel, LONGEST, 2)
        if not raw:
            return None
        request = _read(raw, files)
        answer: dict[str, Any]
        if (running := len(os.listdir("/proc/self/task"))) != 1:
            # A fork would copy one of them and leave the locks of the others taken for ever.
            answer = {"error": f"{running} threads run in the preload server"}
        else:
            pid = _fork()
            if pid == 0:
                kernel.close()
                return request
            answer = {"pid": pid}
        os.close(request.log)
        os.close(request.begin)
        try:
            kernel.send(json.dumps(answer).encode())
        except BrokenPipeError:
            return None  # The kernel ended meanwhile; the next one ends what it does not know.


def become(request: Request) -> None:
    """Turn this process into what `python -m MODULE` would be."""
    if not os.read(request.begin, 1):
        os._exit(0)
    os.close(request.begin)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(request.log, 1)
    os.dup2(request.log, 2)
    os.close(null)
    os.close(request.log)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    os.chdir(request.cwd)
    os.environ.clear()
    os.environ.update(request.env)
    time.tzset()
    sys.path[:0] = request.path
    sys.argv = [request.module]
    setproctitle.setproctitle(f"{sys.executable} -m {request.module}")
    setproctitle.setthreadtitle(request.name[:15])


def _read(raw: bytes, files: list[int]) -> Request:
    fields: dict[str, Any] = json.loads(raw)
    return Request(
        fields["name"],
        fields["module"],
        fields["env"],
        fields["cwd"],
        tuple(fields["path"]),
        *files,
    )


def _fork() -> int:
    """Return the new process's id in the server, and 0 in it. It leads a session and is no child of ours."""
    reader, writer = os.pipe()
    middle = os.fork()
    if middle == 0:
        if os.fork() != 0:
            os._exit(0)
        os.setsid()
        os.write(writer, str(os.getpid()).encode())
        os.close(reader)
        os.close(writer)
        return 0
    os.close(writer)
    with os.fdopen(reader, "rb") as said:
        pid = int(said.read())
    # From here on the child belongs to the kernel, which may wait for it.
    os.waitpid(middle, 0)
    return pid


if __name__ == "__main__":
    main()
