"""A system under test: kernel, router, echo and the platform's adapter; the kernel is started again whenever it dies."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psutil
import yaml
from jackfield_kernel.supervisor.adopted import read_record

ROOT = Path(__file__).parents[3]
PLATFORM = Path(__file__).parent / "platform" / "jackfield_platform"
OTHERS = {"handler": "echo", "router": "router"}
STOP_SECONDS = 30.0


class House:
    """Processes and their deaths. `victim` is None for kills from outside."""

    def __init__(
        self, folder: Path, port: int, victim: tuple[str, str, int, int] | None, platform: str = "platform"
    ) -> None:
        self.folder = folder
        self.deaths = 0
        self._plugins = {"adapter": platform, **OTHERS}
        self._victim = victim
        self._environ = {**os.environ, "JACKFIELD_DATA": str(folder / "data"), "PYTHONPATH": str(ROOT)}
        self._kernel: asyncio.subprocess.Process | None = None
        self._keeping: asyncio.Task[None] | None = None
        self._seen: dict[str, int] = {}
        folder.mkdir(parents=True, exist_ok=True)
        plugins: dict[str, Any] = {
            "router": {},
            "echo": {},
            platform: {"config": {"port": port}},
        }
        if platform == "platform":
            plugins[platform]["directory"] = str(PLATFORM.parent)
        for kind, name in self._plugins.items():
            if victim is not None and victim[0] == kind:
                plugins[name]["directory"] = str(self._doomed(name, victim))
        config = {
            "discover": False,
            "metrics": {"enabled": False},
            "plugins": plugins,
            "limits": {"drain": "2s", "crash_starts": 0},
        }
        (folder / "jackfield.yaml").write_text(json.dumps(config))

    def _doomed(self, name: str, victim: tuple[str, str, int, int]) -> Path:
        """A copy of a plugin's manifest that starts it with the fail point."""
        package = f"jackfield_{name}"
        if name == "platform":
            source = PLATFORM
        else:
            spec = find_spec(package)
            assert spec is not None
            assert spec.submodule_search_locations
            source = Path(spec.submodule_search_locations[0])
        place = self.folder / "plugins" / name
        shutil.copytree(source, place, ignore=shutil.ignore_patterns("__pycache__"))
        path = place / "jackfield-plugin.yaml"
        manifest = yaml.safe_load(path.read_text())
        # A program of its own, for the environment of a plugin says nothing of PYTHONPATH.
        start = f"import sys; sys.path[:0] = {[str(ROOT), str(source.parent)]!r}; sys.argv[1:] = {[*map(str, victim), package]!r};"
        manifest["run"] = {"exec": [sys.executable, "-c", f"{start} import tests.chaos.matrix.victim"]}
        path.write_text(yaml.safe_dump(manifest))
        return place

    def _command(self) -> list[str]:
        run = ["run", "--config", str(self.folder / "jackfield.yaml"), "--log-level", "info"]
        if self._victim is not None and self._victim[0] == "kernel":
            doomed = ["-m", "tests.chaos.matrix.victim", *map(str, self._victim), "jackfield_kernel"]
            return [sys.executable, *doomed, *run]
        return [sys.executable, "-m", "jackfield_kernel", *run]

    async def _keep(self) -> None:
        while True:
            with (self.folder / "kernel.log").open("ab") as log:
                self._kernel = await asyncio.create_subprocess_exec(
                    *self._command(), env=self._environ, stdout=log, stderr=log, cwd=ROOT
                )
            if await self._kernel.wait() == -signal.SIGKILL:
                self.deaths += 1

    async def __aenter__(self) -> House:
        self._keeping = asyncio.create_task(self._keep())
        return self

    async def __aexit__(self, *exc: object) -> None:
        assert self._keeping is not None
        self._keeping.cancel()
        await asyncio.wait({self._keeping})
        if self._kernel is not None and self._kernel.returncode is None:
            self._kernel.send_signal(signal.SIGINT)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(STOP_SECONDS):
                    await self._kernel.wait()
        for pid in self.pids().values():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if self._kernel is not None and self._kernel.returncode is None:
            self._kernel.kill()
            await self._kernel.wait()

    def pids(self) -> dict[str, int]:
        """Processes that live now, by victim."""
        found: dict[str, int] = {}
        for kind, name in self._plugins.items():
            record = read_record(self.folder / "data" / "running" / f"{name}.json")
            if record is not None and record.lives():
                found[kind] = record.pid
        if self._kernel is not None and self._kernel.returncode is None:
            found["kernel"] = self._kernel.pid
            with contextlib.suppress(psutil.NoSuchProcess):
                for child in psutil.Process(self._kernel.pid).children():
                    words = " ".join(child.cmdline())
                    if "jackfield journal" in words:
                        found["writer"] = child.pid
                    elif "preload" in words:
                        found["fork server"] = child.pid
        return found

    async def drain(self, victim: str) -> None:
        """Ask for a restart in order of the victim, or of the handler; a kernel that dies meanwhile cannot answer."""
        name = self._plugins.get(victim, "echo")
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "jackfield_kernel", "plugin", "restart", name,
            env=self._environ, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        await process.wait()

    def note(self) -> None:
        """Count plugin processes that were replaced since the last look: each is a death that nobody here caused."""
        for kind, pid in self.pids().items():
            if kind in self._plugins:
                if self._seen.get(kind, pid) != pid:
                    self.deaths += 1
                self._seen[kind] = pid

    def kill(self, victims: tuple[str, ...]) -> None:
        """SIGKILL, from outside, whatever lives of these."""
        for kind, pid in self.pids().items():
            if kind in victims:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                if kind != "kernel":
                    self.deaths += 1
