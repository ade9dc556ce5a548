"""One run of `jackfield chat`: an adapter in this process, lines in, answers out."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import grpc.aio
from jackfield.v1 import admin_pb2, error_pb2, journal_pb2

from jackfield_sdk.commands import screen
from jackfield_sdk.commands.kernel import CALL_SECONDS, refusal
from jackfield_sdk.commands.terminal import MANIFEST, Terminal
from jackfield_sdk.errors import JackfieldError, error_to_proto
from jackfield_sdk.link.bootstrap import read_bootstrap
from jackfield_sdk.plugin import Plugin
from jackfield_sdk.runtime import Runtime
from jackfield_sdk.serve import identity_of

if TYPE_CHECKING:
    from jackfield.v1.admin_pb2_grpc import AdminAsyncStub

LOOK_SECONDS = 0.05
LONGEST_LOOK = 1.0
OPEN_SECONDS = 15.0
DEAD = journal_pb2.DELIVERY_STATE_DEAD
DROPPED = journal_pb2.DELIVERY_STATE_DROPPED
ENDED = frozenset(
    {
        journal_pb2.DELIVERY_STATE_DONE,
        journal_pb2.DELIVERY_STATE_INTERRUPTED,
        DEAD,
        journal_pb2.DELIVERY_STATE_MERGED,
        DROPPED,
    }
)


class Conversation:
    """`run` stays until input ends and is answered, or until `stop`; returns the exit code."""

    def __init__(self, stub: AdminAsyncStub, bot: str, user: str, wait: float, stop: asyncio.Event) -> None:
        self._stub = stub
        self._bot = bot
        self._wait = wait
        self._stop = stop
        self._live = sys.stdin.isatty() and sys.stdout.isatty()
        self._terminal = Terminal(user, live=self._live)
        self._failed = False

    async def run(self) -> int:
        """The kernel knows the adapter for as long as this runs."""
        plugin = f"chat-{self._bot.replace('_', '-')}"
        request = admin_pb2.DevelopPluginRequest(
            manifest=MANIFEST.format(plugin=plugin, bot=self._bot), external=True
        )
        stream: Any = self._stub.DevelopPlugin(request)
        try:
            while not (bootstrap := (await stream.read()).bootstrap_path):
                pass
        except grpc.aio.AioRpcError as error:
            screen.failure(refusal(error))
            return 1
        author = Plugin(plugin)
        author.adapter(self._terminal)
        runtime = Runtime(author, read_bootstrap(bootstrap), identity_of(author))
        running = asyncio.create_task(runtime.run(), name="adapter")
        try:
            await self._talk(running)
        finally:
            runtime.finish()
            await running
            stream.cancel()
        return 1 if self._failed else 0

    async def _talk(self, running: asyncio.Task[int]) -> None:
        talking = asyncio.create_task(self._converse())
        stopped = asyncio.create_task(self._stop.wait())
        await asyncio.wait({talking, stopped, running}, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        if running.done():
            screen.failure(error_pb2.Error(reason="UNAVAILABLE", message="the kernel ended the conversation"))
            self._failed = True
        if talking.done():
            talking.result()
        talking.cancel()

    async def _converse(self) -> None:
        try:
            async with asyncio.timeout(OPEN_SECONDS):
                await self._terminal.opened()
        except TimeoutError:
            message = f"the kernel did not open bot {self._bot} within {OPEN_SECONDS:g} s"
            self._say(
                error_pb2.Error(reason="UNAVAILABLE", message=message, remedy="See `jackfield status`.")
            )
            return
        if self._live:
            screen.note(f"You talk to bot {self._bot}. A line is a message; Ctrl-D ends this.")
        async with asyncio.TaskGroup() as group:
            answers = []
            async for line in _lines():
                if not line.strip():
                    continue
                try:
                    event = await self._terminal.said(line)
                except JackfieldError as error:
                    self._say(error_to_proto(error))
                    continue
                answers.append(group.create_task(self._until_answered(event, line)))
                if not self._live:
                    # Answers in the order of the questions.
                    await self._at_most(answers[-1], line)
            for answer in answers:
                await self._at_most(answer, "the last message")

    async def _at_most(self, answer: asyncio.Task[None], line: str) -> None:
        done, _ = await asyncio.wait({answer}, timeout=self._wait)
        if not done:
            answer.cancel()
            message = f"no answer to {line!r} within {self._wait:g} s"
            remedy = "See `jackfield event list`, or wait longer with --wait."
            self._say(error_pb2.Error(reason="DEADLINE_EXCEEDED", message=message, remedy=remedy))

    async def _until_answered(self, event: str, line: str) -> None:
        """Looks at the event's story until nothing is open; says what went wrong."""
        pause = LOOK_SECONDS
        while True:
            try:
                story = await self._stub.GetEvent(admin_pb2.GetEventRequest(id=event), timeout=CALL_SECONDS)
            except grpc.aio.AioRpcError as error:
                self._say(refusal(error))
                return
            problem = _outcome(story, line)
            if problem is not None:
                if problem.reason:
                    self._say(problem)
                return
            await asyncio.sleep(pause)
            pause = min(LONGEST_LOOK, pause * 1.3)

    def _say(self, error: error_pb2.Error) -> None:
        self._failed = self._failed or not self._live
        screen.failure(error)


def _outcome(story: admin_pb2.GetEventResponse, line: str) -> error_pb2.Error | None:
    """None while something is open; else what went wrong, empty when nothing did."""
    routed: journal_pb2.RoutedRecord | None = None
    ended: dict[int, journal_pb2.OutcomeRecord] = {}
    for record in story.records:
        kind = record.WhichOneof("record")
        if kind == "routed":
            routed = record.routed
        elif kind == "outcome" and record.outcome.state in ENDED:
            ended[record.outcome.step] = record.outcome
    if routed is None:
        return None
    if not routed.rules:
        return error_pb2.Error(
            reason="UNROUTED",
            message=f"no rule takes {line!r}",
            remedy="See `jackfield route list`.",
        )
    last = max(ended, default=-1)
    if last < 0:
        return None
    outcome, rule = ended[last], routed.rules[min(last - routed.first_step, len(routed.rules) - 1)]
    follows = last - routed.first_step + 1 < len(routed.rules) and not outcome.stop
    goes_on = getattr(rule, "continue") if outcome.state not in (DEAD, DROPPED) else rule.on_error == 2
    if follows and goes_on:
        return None
    return outcome.error if outcome.state in (DEAD, DROPPED) else error_pb2.Error()


async def _lines() -> AsyncIterator[str]:
    """Lines of standard input, read by a thread that nobody waits for: a read cannot be broken off."""
    loop = asyncio.get_running_loop()
    queue: asyncio.Queue[str | None] = asyncio.Queue()

    def read() -> None:
        for line in sys.stdin:
            loop.call_soon_threadsafe(queue.put_nowait, line)
        loop.call_soon_threadsafe(queue.put_nowait, None)

    threading.Thread(target=read, name="standard input", daemon=True).start()
    while (line := await queue.get()) is not None:
        yield line.rstrip("\r\n")
