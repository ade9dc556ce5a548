"""A whole kernel as its own process, started as an operator does, with the default plugins."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

PROGRAM = Path(sys.executable).with_name("jackfield")
PATIENCE = 30.0


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Installation:
    """A data directory, its ports, and the kernel that runs on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.onebot_port = free_port()
        self.webchat_port = free_port()
        config = {
            "metrics": {"enabled": False},
            # Tests kill kernels faster than any operator sees them crash.
            "limits": {"crash_starts": 0},
            "plugins": {
                "onebot": {"config": {"port": self.onebot_port}},
                "webchat": {"config": {"port": self.webchat_port}},
            },
        }
        (folder / "jackfield.yaml").write_text(json.dumps(config))
        self.environ = {**os.environ, "JACKFIELD_DATA": str(folder / "data")}
        self.kernel: asyncio.subprocess.Process | None = None

    @property
    def onebot(self) -> str:
        """Where OneBot clients connect."""
        return f"ws://127.0.0.1:{self.onebot_port}/onebot/v11/ws"

    async def run(self) -> None:
        """Start the kernel and wait until it says that all is ready."""
        command = [
            str(PROGRAM),
            "run",
            "--config",
            str(self.folder / "jackfield.yaml"),
            "--log-level",
            "info",
        ]
        with (self.folder / "kernel.log").open("ab") as log:
            self.kernel = await asyncio.create_subprocess_exec(
                *command, env=self.environ, stdout=asyncio.subprocess.PIPE, stderr=log
            )
        assert self.kernel.stdout is not None
        async with asyncio.timeout(PATIENCE):
            while b"is ready" not in (line := await self.kernel.stdout.readline()):
                assert line, "the kernel ended before it was ready"

    async def command(self, *arguments: str) -> str:
        """What a command prints; it must succeed."""
        process = await asyncio.create_subprocess_exec(
            str(PROGRAM), *arguments, env=self.environ, stdout=asyncio.subprocess.PIPE
        )
        output, _ = await process.communicate()
        assert process.returncode == 0
        return output.decode()

    async def ask(self, *arguments: str) -> dict[str, Any]:
        """A command with --json."""
        answer: dict[str, Any] = json.loads(await self.command(*arguments, "--json"))
        return answer

    async def pid(self, plugin: str) -> int:
        """Process id of a plugin."""
        plugins = (await self.ask("status"))["plugins"]
        return int(next(one["pid"] for one in plugins if one["name"] == plugin))

    async def kill(self) -> None:
        """SIGKILL the kernel alone."""
        assert self.kernel is not None
        self.kernel.kill()
        await self.kernel.wait()

    async def stop(self) -> None:
        """Stop in order."""
        if self.kernel is not None and self.kernel.returncode is None:
            self.kernel.send_signal(signal.SIGINT)
            async with asyncio.timeout(PATIENCE):
                await self.kernel.wait()


@contextlib.asynccontextmanager
async def installed(folder: Path) -> AsyncIterator[Installation]:
    """A running default set; stopped at the end."""
    installation = Installation(folder)
    await installation.run()
    try:
        yield installation
    finally:
        await installation.stop()
