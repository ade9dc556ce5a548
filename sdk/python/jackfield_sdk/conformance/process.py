"""The adapter as a real process under the fake kernel."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from dataclasses import asdict
from pathlib import Path

from jackfield_sdk.conformance.declared import Declared, with_defaults
from jackfield_sdk.testing import FakeKernel
from jackfield_sdk.testing.session import Session

# As the kernel's own list: nothing else of the caller's environment reaches a plugin.
PASSED = ("PATH", "HOME", "TMPDIR", "LANG", "LC_ALL", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR", "VIRTUAL_ENV")
STOP_SECONDS = 10.0


class AdapterDied(Exception):
    """The process ended by itself."""


class AdapterProcess:
    """Starts, kills and starts again; `log` holds what all of them wrote."""

    def __init__(
        self, kernel: FakeKernel, declared: Declared, config: dict[str, object], folder: Path
    ) -> None:
        self.session: Session
        self._kernel = kernel
        self._declared = declared
        self._config = with_defaults(declared.config, config)
        self._folder = folder
        self._process: asyncio.subprocess.Process | None = None

    @property
    def log(self) -> str:
        """Everything on stdout and stderr."""
        path = self._folder / "adapter.log"
        return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""

    @property
    def pid(self) -> int:
        """Process id of the adapter; 0 before the first start."""
        return self._process.pid if self._process is not None else 0

    @property
    def alive(self) -> bool:
        """True while the process runs."""
        return self._process is not None and self._process.returncode is None

    async def start(self) -> None:
        """Returns when the adapter is ready. Raises AdapterDied."""
        name = self._declared.name
        self.session = self._kernel.expect(name, self._config, self._declared.grants)
        bootstrap = self._folder / "bootstrap.json"
        bootstrap.write_text(json.dumps(asdict(self._kernel.bootstrap(name))), encoding="utf-8")
        bootstrap.chmod(0o600)
        environment = {key: os.environ[key] for key in PASSED if key in os.environ}
        environment |= {
            "JACKFIELD_BOOTSTRAP": str(bootstrap),
            "PYTHONPATH": str(self._declared.folder.parent),
            # What it prints is judged while it runs.
            "PYTHONUNBUFFERED": "1",
        }
        with (self._folder / "adapter.log").open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self._declared.command,
                env=environment,
                cwd=self._folder,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        await self._ready(self._process)

    async def _ready(self, process: asyncio.subprocess.Process) -> None:
        ready = asyncio.ensure_future(self.session.ready.wait())
        ended = asyncio.ensure_future(process.wait())
        try:
            await asyncio.wait({ready, ended}, return_when=asyncio.FIRST_COMPLETED)
            if not ready.done():
                lines = "\n".join(self.log.splitlines()[-10:])
                raise AdapterDied(f"ended with {process.returncode} before it was ready:\n{lines}")
        finally:
            ready.cancel()
            ended.cancel()
            await asyncio.wait({ready, ended})

    async def kill(self) -> None:
        """SIGKILL, for the whole process group."""
        if self._process is not None:
            self._signal(signal.SIGKILL)
            await self._process.wait()

    async def stop(self) -> int:
        """As the kernel stops a plugin: goaway, then TERM, then KILL; returns the exit code."""
        if self._process is None:
            return 0
        if self.alive:
            self._kernel.goaway(self._declared.name)
        for last in (signal.SIGTERM, signal.SIGKILL):
            try:
                async with asyncio.timeout(STOP_SECONDS):
                    return await self._process.wait()
            except TimeoutError:
                self._signal(last)
        return await self._process.wait()

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self.alive:
            os.killpg(self._process.pid, number)
