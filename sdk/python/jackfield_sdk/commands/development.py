"""One run of `jackfield dev`: the plugin's states, log, dead letters, its rule, and restarts on save."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
import grpc.aio
import typer
from jackfield.v1 import admin_pb2, error_pb2

from jackfield_sdk.commands import screen
from jackfield_sdk.commands.edits import Edits
from jackfield_sdk.commands.first_rule import FirstRule
from jackfield_sdk.commands.kernel import CALL_SECONDS, refusal

if TYPE_CHECKING:
    from jackfield.v1.admin_pb2_grpc import AdminAsyncStub

MENDABLE = frozenset({"MANIFEST_INVALID", "MANIFEST_MISSING", "NOT_FOUND"})
"""Refusals that the next save may mend."""

DEAD_SECONDS = 0.4
LOG_PATIENCE = 0.8
"""Seconds after which the log of a plugin that failed should have arrived."""


@dataclass(frozen=True)
class Wishes:
    """What the command line asks for. `debugger`: the author starts the process."""

    folder: Path
    bot: str
    event: str
    debugger: bool


class Development:
    """`run` stays until `stop` is set or the kernel ends; returns the exit code."""

    def __init__(self, stub: AdminAsyncStub, wishes: Wishes, stop: asyncio.Event) -> None:
        self._stub = stub
        self._wishes = wishes
        self._stop = stop
        # From here on: what is saved while the kernel reads the manifest counts.
        self._edits = Edits(wishes.folder)
        self._name = ""
        self._code = 0
        self._shown_state = ""
        self._lines = 0
        self._tracebacks: set[str] = set()

    async def run(self) -> int:
        """Runs the plugin; a manifest that cannot be read is shown and waited for."""
        while not self._stop.is_set():
            stream = self._stub.DevelopPlugin(
                admin_pb2.DevelopPluginRequest(
                    path=str(self._wishes.folder), external=self._wishes.debugger, replace=True
                )
            )
            try:
                first = await stream.read()
            except grpc.aio.AioRpcError as error:
                problem = refusal(error)
                screen.failure(problem)
                if problem.reason not in MENDABLE:
                    return 1
                screen.note("Waiting for the next save; Ctrl-C ends this.")
                await self._until_saved()
                continue
            if not isinstance(first, admin_pb2.DevelopPluginResponse):
                return self._ended(error_pb2.Error(reason="UNAVAILABLE", message="the kernel ended"))
            await self._live(stream, first)
            return self._code
        return self._code

    async def _live(self, stream: Any, first: admin_pb2.DevelopPluginResponse) -> None:
        self._name = first.plugin.name
        rule = FirstRule(self._stub, self._name, self._wishes.bot, self._wishes.event)
        async with asyncio.TaskGroup() as group:
            chores: list[Callable[[], Awaitable[None]]] = [self._log, self._dead_letters]
            if not self._wishes.debugger:
                chores.append(self._restarts)
            if first.plugin.kind == "handler":
                chores.append(rule.keep)
            else:
                screen.note(f"{self._name} is no handler: no rule sends events to it.")
            tasks = [group.create_task(_guarded(chore)) for chore in chores]
            tasks.append(group.create_task(self._states(stream, first)))
            await self._stop.wait()
            # First the rule: events that came in between would wait for a handler that is gone.
            await rule.remove()
            stream.cancel()
            for task in tasks:
                task.cancel()
        screen.note(f"{self._name} is no longer run.")

    async def _states(self, stream: Any, first: admin_pb2.DevelopPluginResponse) -> None:
        response = first
        try:
            while isinstance(response, admin_pb2.DevelopPluginResponse):
                await self._show(response)
                response = await stream.read()
        except grpc.aio.AioRpcError as error:
            if not self._stop.is_set():
                self._ended(refusal(error))
        self._stop.set()

    async def _show(self, response: admin_pb2.DevelopPluginResponse) -> None:
        plugin = response.plugin
        shown = f"{plugin.state} {plugin.reason.reason} {plugin.reason.message}"
        if shown == self._shown_state or (plugin.state == "STOPPED" and not plugin.reason.message):
            return
        self._shown_state = shown
        if plugin.state == "ACTIVE" and not plugin.reason.reason:
            screen.note(f"● {plugin.name} {plugin.version} is ACTIVE", typer.colors.GREEN)
            for address in plugin.addresses:
                screen.note(f"  {address.label}: {address.url}")
        elif plugin.state in ("FAILED", "PARKED"):
            lines = self._lines
            await asyncio.sleep(LOG_PATIENCE)
            if lines == self._lines == 0:
                for line in response.last_lines:
                    screen.log_line(line)
            self._lines = 0
            screen.failure(plugin.reason, f"✗ {plugin.name} {plugin.state}: ")
            screen.note("Waiting for the next save; Ctrl-C ends this.")
        elif plugin.reason.reason == "AWAITED":
            self._explain(response.bootstrap_path)
        elif plugin.reason.message:
            screen.note(f"○ {plugin.name} {plugin.state}: {plugin.reason.message}", typer.colors.YELLOW)
        else:
            screen.note(f"○ {plugin.name} {plugin.state}", typer.colors.YELLOW)

    def _explain(self, bootstrap: str) -> None:
        screen.note(f"{self._name} waits for you to start it, with this in its environment:")
        typer.echo(f"JACKFIELD_BOOTSTRAP={bootstrap}")
        screen.note(
            "In an IDE: a run configuration of the module that `run.python` of the manifest names, working\n"
            f"directory {self._wishes.folder}, with that variable; it stays the same at every start.\n"
            "In a shell: JACKFIELD_BOOTSTRAP=... python -m <module>. A breakpoint may hold it for long."
        )

    async def _log(self) -> None:
        stream: Any = self._stub.TailLogs(admin_pb2.TailLogsRequest(name=self._name, lines=1, follow=True))
        # What an earlier run left.
        await stream.read()
        while isinstance(response := await stream.read(), admin_pb2.TailLogsResponse):
            for line in response.lines:
                self._lines += 1
                self._tracebacks.add(screen.log_line(line).strip())

    async def _dead_letters(self) -> None:
        known = {letter.delivery_id for letter in await self._dead()}
        while True:
            await asyncio.sleep(DEAD_SECONDS)
            for letter in reversed(await self._dead()):
                if letter.delivery_id in known:
                    continue
                known.add(letter.delivery_id)
                # The log tells it too, a moment later.
                await asyncio.sleep(DEAD_SECONDS)
                text = screen.visible(letter.event.text)[:60]
                screen.failure(
                    letter.error, f"✗ {self._name} could not handle {letter.event.type} {text!r}: "
                )
                traceback = letter.error.metadata.get("traceback", "")
                if traceback.strip() not in self._tracebacks:
                    screen.indented(traceback)

    async def _dead(self) -> list[admin_pb2.DeadLetter]:
        request = admin_pb2.ListDeadLettersRequest(handler=self._name, limit=50)
        answer = await self._stub.ListDeadLetters(request, timeout=CALL_SECONDS)
        return list(answer.dead_letters)

    async def _restarts(self) -> None:
        while names := await self._edits.next():
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            screen.note(f"↻ {names[0]}{more} saved")
            self._lines = 0
            try:
                await self._stub.RestartPlugin(admin_pb2.RestartPluginRequest(name=self._name))
            except grpc.aio.AioRpcError as error:
                screen.failure(refusal(error))
                screen.note("It goes on as it was. Waiting for the next save.")

    async def _until_saved(self) -> None:
        saved = asyncio.ensure_future(self._edits.next())
        stopped = asyncio.ensure_future(self._stop.wait())
        await asyncio.wait({saved, stopped}, return_when=asyncio.FIRST_COMPLETED)
        for task in (saved, stopped):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    def _ended(self, error: error_pb2.Error) -> int:
        screen.failure(error)
        self._code = 3
        return self._code


async def _guarded(chore: Callable[[], Awaitable[None]]) -> None:
    """A chore ends with its kernel; the stream of states says so."""
    try:
        await chore()
    except grpc.aio.AioRpcError as error:
        if error.code() not in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED):
            screen.failure(refusal(error))
