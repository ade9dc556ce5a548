"""What is measured: a kernel with plugins, or a peer; each started in a temporary directory and always stopped.

JACKFIELD_BENCH_PROFILE=DIR writes a cProfile of the kernel and of every plugin there.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import yaml

from . import tree

PEERS = Path(__file__).parent / "peers"
PROFILE = "JACKFIELD_BENCH_PROFILE"
DEFAULT_SET = ("router", "command", "echo", "webchat", "onebot")
STOP_SECONDS = 15.0


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment() -> dict[str, str]:
    """That of this process, but with compiled bytecode."""
    return {k: v for k, v in os.environ.items() if k not in ("PYTHONDONTWRITEBYTECODE", "PYTHONPATH")}


@contextlib.contextmanager
def jackfield(ports: dict[str, int], plugins: Sequence[str] = DEFAULT_SET) -> Iterator[int]:
    """A kernel with some plugins, durable, on ports by plugin; gives its process id."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        profile = os.environ.get(PROFILE, "")
        entries: dict[str, Any] = {plugin: {} for plugin in plugins}
        for plugin, port in ports.items():
            entries[plugin]["config"] = {"port": port}
        if profile:
            for plugin in plugins:
                entries[plugin]["directory"] = str(profiled(plugin, folder / "plugins", Path(profile)))
        config = {"discover": False, "metrics": {"enabled": False}, "plugins": entries}
        (folder / "jackfield.yaml").write_text(json.dumps(config))
        profiler = ["-m", "cProfile", "-o", f"{profile}/kernel.prof"] if profile else []
        program = [sys.executable, *profiler, str(Path(sys.executable).with_name("jackfield"))]
        command = [
            *program,
            "run",
            "--data",
            str(folder / "data"),
            "--config",
            str(folder / "jackfield.yaml"),
        ]
        with _running([*command, "--log-level", "warning"]) as pid:
            yield pid


def profiled(plugin: str, folder: Path, results: Path) -> Path:
    """A copy of a plugin's manifest that starts it under the profiler."""
    package = f"jackfield_{plugin}"
    spec = find_spec(package)
    assert spec is not None
    assert spec.submodule_search_locations
    source = Path(spec.submodule_search_locations[0])
    folder = folder / plugin
    folder.mkdir(parents=True)
    for kept in source.iterdir():
        if kept.is_file() and kept.suffix != ".py":
            shutil.copy(kept, folder)
    path = folder / "jackfield-plugin.yaml"
    manifest = yaml.safe_load(path.read_text())
    output = str(results / f"{plugin}.prof")
    manifest["run"] = {"exec": [sys.executable, "-P", "-m", "cProfile", "-o", output, "-m", package]}
    path.write_text(yaml.safe_dump(manifest))
    return folder


@contextlib.contextmanager
def peer(name: str, port: int) -> Iterator[int]:
    """A peer's echo in a process of its own."""
    with _running([sys.executable, str(PEERS / f"{name}_echo.py"), str(port)]) as pid:
        yield pid


@contextlib.contextmanager
def _running(command: Sequence[str]) -> Iterator[int]:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment())
    try:
        yield process.pid
    finally:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.send_signal(signal.SIGINT)
            process.wait(STOP_SECONDS)
        if process.poll() is None:
            tree.stop(process.pid)
            process.wait()
