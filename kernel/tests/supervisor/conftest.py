"""A supervisor around real processes: tiny scripts as plugins, the session room played by hand."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from jackfield_kernel.manifest import parse_manifest
from jackfield_kernel.paths import DataPaths
from jackfield_kernel.supervisor import (
    Endpoint,
    LogLine,
    PluginSnapshot,
    PluginSpec,
    ProcessLauncher,
    Reason,
    RestartRules,
    State,
    Supervisor,
    Surroundings,
    Timing,
)

MANIFEST = """\
manifest: 1
name: {name}
version: 1.0.0
contract: 1
kind: handler
title: A test
description: A test
run: {{python: {name}}}
"""

FAST = Timing(register=5, drain=0.5, term=0.3, sweep=0.3, log_step=0.02)
RULES = RestartRules(backoff=0.01, backoff_max=0.05)


class FakeLink:
    """A control stream that remembers its goaways."""

    def __init__(self, on_goaway: Callable[[], None]) -> None:
        self.goaways: list[str] = []
        self._on_goaway = on_goaway

    def goaway(self, reason: str, deadline: float) -> None:
        self.goaways.append(reason)
        self._on_goaway()

    def closed(self) -> bool:
        return False


class FakeEndpoints:
    """Counts what is open."""

    def __init__(self) -> None:
        self.opened: list[str] = []
        self.reopened: list[str] = []
        self.open_now: set[str] = set()
        self.known: set[str] = set()

    async def open(self, plugin: str, *, external: bool) -> Endpoint:
        self.opened.append(plugin)
        self.open_now.add(plugin)
        return Endpoint(f"unix:/run/{plugin}/s", f"secret-{len(self.opened)}")

    async def reopen(self, plugin: str) -> bool:
        if plugin not in self.known:
            return False
        self.reopened.append(plugin)
        self.open_now.add(plugin)
        return True

    async def close(self, plugin: str) -> None:
        self.open_now.discard(plugin)


@dataclass
class Harness:
    """One supervisor and everything it said."""

    folder: Path
    timing: Timing
    rules: RestartRules
    supervisor: Supervisor = field(init=False)
    links: dict[str, FakeLink] = field(default_factory=dict)
    changes: list[tuple[str, State, Reason]] = field(default_factory=list)
    lines: list[LogLine] = field(default_factory=list)
    endpoints: FakeEndpoints = field(default_factory=FakeEndpoints)
    _stirred: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.paths = DataPaths(self.folder / "data")
        self.paths.prepare()
        around = Surroundings(
            paths=self.paths,
            endpoints=self.endpoints,
            launchers={"process": ProcessLauncher()},
            environ={**os.environ, "SECRET_TOKEN": "hidden"},
            clock=time.monotonic,
            dice=random.Random(1).random,
            log=self._hear,
            kernel_version="0.1.0",
            timing=self.timing,
            rules=self.rules,
        )
        self.supervisor = Supervisor(around)
        self.supervisor.on_change(self._note)

    def plugin(self, name: str, script: str, **changes: object) -> PluginSpec:
        """Write a plugin and return its spec."""
        package = self.folder / name
        package.mkdir()
        (package / "__main__.py").write_text(script)
        path = package / "jackfield-plugin.yaml"
        path.write_text(MANIFEST.format(name=name))
        manifest = parse_manifest(path.read_bytes(), path)
        return replace(PluginSpec(name, manifest, "test", python_path=self.folder), **changes)

    @asynccontextmanager
    async def run(self, *specs: PluginSpec) -> AsyncIterator[Supervisor]:
        """Supervise the plugins, and leave nothing behind."""
        for spec in specs:
            self.supervisor.add(spec)
        task = asyncio.create_task(self.supervisor.run())
        try:
            yield self.supervisor
        finally:
            self.supervisor.shutdown()
            await task
        assert self.endpoints.open_now == set()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until the supervisor's next words make the condition true."""
        async with asyncio.timeout(20):
            while not condition():
                self._stirred.clear()
                await self._stirred.wait()

    async def state(self, name: str, state: State) -> PluginSnapshot:
        """Wait for a state and return the snapshot."""
        await self.until(lambda: self.supervisor.plugin(name).state is state)
        return self.supervisor.plugin(name)

    async def said(self, name: str, start: str) -> str:
        """Wait for a line of the plugin's output and return what follows `start`."""

        def found() -> list[str]:
            texts = [line.text for line in self.lines if line.plugin == name]
            return [text.removeprefix(start) for text in texts if text.startswith(start)]

        await self.until(lambda: bool(found()))
        return found()[-1]

    def link(self) -> FakeLink:
        """Return a control stream of a plugin that ignores goaways."""
        return FakeLink(lambda: None)

    def states(self, name: str) -> list[State]:
        """Return the plugin's states in order, without repetition."""
        seen = [state for plugin, state, _ in self.changes if plugin == name]
        return [state for number, state in enumerate(seen) if number == 0 or seen[number - 1] is not state]

    def _note(self, name: str, state: State, reason: Reason) -> None:
        self.changes.append((name, state, reason))
        self._stirred.set()

    def _hear(self, line: LogLine) -> None:
        self.lines.append(line)
        self._stirred.set()
        if line.text == "hello":
            self.supervisor.registered(line.plugin, f"session-{line.plugin}")
            link = self.links[line.plugin] = self.link()
            self.supervisor.attached(line.plugin, link)
            self.supervisor.ready(line.plugin, [("page", "http://127.0.0.1:1/")])


@pytest.fixture
def make_harness(tmp_path: Path) -> Callable[..., Harness]:
    """Return a maker of harnesses; its keywords are fields of Timing or RestartRules."""

    def make(**changes: float) -> Harness:
        rules = {name: value for name, value in changes.items() if hasattr(RULES, name)}
        timing = {name: value for name, value in changes.items() if name not in rules}
        return Harness(tmp_path, replace(FAST, **timing), replace(RULES, **rules))

    return make


@pytest.fixture
async def harness(make_harness: Callable[..., Harness]) -> Harness:
    """One harness with the usual times."""
    return make_harness()
