"""Runs one plugin: from the first attach to a clean end."""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections import deque
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from jackfield.v1 import error_pb2, frame_pb2

from jackfield_sdk import convert, wellknown
from jackfield_sdk.context import Context
from jackfield_sdk.errors import JackfieldError, Retry, error_to_proto
from jackfield_sdk.link.bootstrap import Bootstrap
from jackfield_sdk.link.deliveries import Lease
from jackfield_sdk.link.link import Identity, Link, Orphaned, Stopped
from jackfield_sdk.link.serving import TRACEBACK_BYTES
from jackfield_sdk.plugin_context import PluginContext
from jackfield_sdk.tracing import Tracer, Work

if TYPE_CHECKING:
    from jackfield_sdk.adapter_host import AdapterHost
    from jackfield_sdk.plugin import Handler, Plugin

DRAIN_SECONDS = 10.0
# How long the kernel may take to confirm the last settles.
CONFIRM_SECONDS = 2.0
OBSERVED_STEP = 32
logger = logging.getLogger("jackfield_sdk.runtime")


class Runtime:
    """Owns the tasks of one run of a plugin. `run` returns the exit code of the process."""

    def __init__(
        self, plugin: Plugin, bootstrap: Bootstrap, identity: Identity, tracer: Tracer | None = None
    ) -> None:
        self._plugin = plugin
        self._ready = asyncio.Event()
        self._finish = asyncio.Event()
        self._deadline = DRAIN_SECONDS
        self._first = asyncio.Event()
        self._observed: deque[frame_pb2.Delivery] = deque()
        self._observable = asyncio.Event()
        self._config = frame_pb2.Config()
        self._hosts: list[AdapterHost] = []
        self.tracer = tracer
        self.link = Link(bootstrap, identity, plugin.methods(self), self)
        self.link.serving.tracer = tracer
        self.context = PluginContext(self.link, self._config)

    async def run(self) -> int:
        """Stays until the kernel or a signal ends it. 0: in order; 1: the plugin's own setup failed."""
        async with asyncio.TaskGroup() as group:
            connection = group.create_task(self._connect())
            others = [group.create_task(self._watch())]
            others += [group.create_task(host.watch()) for host in self._hosts]
            try:
                return await self._live(connection)
            finally:
                for task in (*others, connection):
                    task.cancel()

    def finish(self) -> None:
        """The process was asked to end: tells the kernel, then drains."""
        goaway = frame_pb2.Goaway(reason="stop", deadline=wellknown.seconds_to_proto(DRAIN_SECONDS))
        self.link.send(frame_pb2.Frame(goaway=goaway))
        self._finish.set()

    def add_host(self, host: AdapterHost) -> None:
        """An adapter of this run, set up before and torn down after everything else."""
        self._hosts.append(host)

    # What the link tells.

    async def handle(self, lease: Lease) -> frame_pb2.Settle:
        """Runs the most specific handler; its return or exception becomes the outcome."""
        if not self._ready.is_set():
            await self._ready.wait()
        delivery = lease.delivery
        handler = self._plugin.handler_for(delivery.event.type)
        if handler is None:
            return _nack(_unhandled(delivery.event.type))
        source = delivery.event
        with Work(
            source.trace,
            self.tracer,
            event_id=source.id,
            delivery_id=delivery.delivery_id,
            name="deliver",
            attributes=_attributes(delivery) if self.tracer is not None else None,
        ) as work:
            outcome = await self._handled(lease, handler)
            if outcome.HasField("nack"):
                work.failed(outcome.nack.error.reason)
            return outcome

    async def _handled(self, lease: Lease, handler: Handler) -> frame_pb2.Settle:
        delivery = lease.delivery
        try:
            event = convert.event_to_plain(delivery.event)
            context = Context(self.link, lease, event, self.context.name)
            await handler(context, event)
            return context.outcome()
        except Retry as retry:
            error = error_pb2.Error(reason="UNAVAILABLE", code=14, message=str(retry), retryable=True)
            return _nack(error, retry.after)
        except JackfieldError as error:
            return _nack(error_to_proto(error), error.retry_after)
        except Exception as fault:
            # The border between an author's code and the wire: whatever it raises becomes a dead letter's
            # reason.
            logger.exception("handler failed for %s", delivery.delivery_id)
            return _nack(_failed(fault))

    def observe(self, delivery: frame_pb2.Delivery) -> None:
        """Queues an event for the observers, who get them one after another."""
        self._observed.append(delivery)
        self._observable.set()

    def attached(self, attached: frame_pb2.Attached, open_bots: set[str]) -> None:
        """The stream stands, for the first time or again."""
        self.configured(attached.config)
        if self._first.is_set():
            if self.context.has_reported:
                self.context.report()
        else:
            self._first.set()

    def configured(self, config: frame_pb2.Config) -> None:
        """Configuration or grants changed."""
        self._config = config
        self.context.configured(config)

    def going(self, goaway: frame_pb2.Goaway) -> None:
        """The kernel asks this plugin to finish."""
        if goaway.HasField("deadline"):
            self._deadline = wellknown.duration_to_plain(goaway.deadline).total_seconds()
        self._finish.set()

    # The life of the process.

    async def _live(self, connection: asyncio.Task[int]) -> int:
        await _either(connection, self._first.wait())
        if connection.done():
            return connection.result()
        try:
            for host in self._hosts:
                await host.setup()
            for hook in self._plugin.setup_hooks:
                await hook(self.context)
        except Exception as fault:
            # The border to the author's setup: the kernel is told why, then the process ends with a failure.
            logger.exception("setup failed")
            self.context.not_ready(f"setup failed: {fault}", remedy="The plugin's log holds the traceback.")
            await self.link.close()
            return 1
        if not self.context.has_reported:
            self.context.ready()
        self._ready.set()
        await _either(connection, self._finish.wait())
        await self._drain()
        return connection.result() if connection.done() else 0

    async def _drain(self) -> None:
        """Running work finishes or is given back; then the author's teardown; then the stream ends."""
        clock = asyncio.get_running_loop().time
        end = clock() + self._deadline
        await self.link.deliveries.drain(self._deadline)
        await self.link.serving.drain(max(0.0, end - clock()))
        for hook in reversed(self._plugin.teardown_hooks):
            await _guarded(hook, self.context)
        for host in self._hosts:
            await _guarded(host.teardown)
        try:
            async with asyncio.timeout(CONFIRM_SECONDS):
                await self.link.deliveries.emptied()
        except TimeoutError:
            logger.warning("the kernel did not confirm the last settles")
        await self.link.close()

    async def _connect(self) -> int:
        try:
            await self.link.run()
        except Orphaned as orphaned:
            logger.warning("%s; ending", orphaned)
        except Stopped as stopped:
            logger.warning("the kernel ended the session: %s", stopped)
        except JackfieldError as refusal:
            logger.error("%s", refusal)
            return 1
        return 0

    async def _watch(self) -> None:
        """One observed event at a time, acknowledged in steps."""
        while True:
            if not self._observed:
                self._observable.clear()
                await self._observable.wait()
            await self._ready.wait()
            last = 0
            for _ in range(min(OBSERVED_STEP, len(self._observed))):
                delivery = self._observed.popleft()
                event = convert.event_to_plain(delivery.event)
                with Work(event.trace, event_id=event.id):
                    for observer in self._plugin.observers_for(event.type):
                        await _guarded(observer, self.context, event)
                last = delivery.observed_sequence
            self.link.send(frame_pb2.Frame(settle=frame_pb2.Settle(observed_sequence=last)))


async def _either(task: asyncio.Task[int], waiting: Awaitable[object]) -> None:
    """Waits for the first of both."""
    other = asyncio.ensure_future(waiting)
    try:
        await asyncio.wait({task, other}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        other.cancel()


async def _guarded(function: Callable[..., Awaitable[object]], *args: object) -> None:
    try:
        await function(*args)
    except Exception:
        # The border to code that cannot fail a delivery: observers and teardown are logged and passed over.
        logger.exception("%s failed", getattr(function, "__qualname__", function))


def _attributes(delivery: frame_pb2.Delivery) -> dict[str, str | int]:
    return {
        "jackfield.event.id": delivery.event.id,
        "jackfield.event.type": delivery.event.type,
        "jackfield.delivery.id": delivery.delivery_id,
        "jackfield.attempt": delivery.attempt,
        "jackfield.rule": delivery.rule_id,
        "jackfield.bot": delivery.event.bot,
    }


def _nack(error: error_pb2.Error, after: float | None = None) -> frame_pb2.Settle:
    nack = frame_pb2.Nack(error=error)
    if error.retryable and after is not None:
        nack.retry_after.CopyFrom(wellknown.seconds_to_proto(after))
    return frame_pb2.Settle(nack=nack)


def _unhandled(event_type: str) -> error_pb2.Error:
    return error_pb2.Error(
        reason="NOT_SUPPORTED",
        code=12,
        message=f"this plugin has no handler for {event_type}",
        remedy="Change the rule, or add a handler with @plugin.on.",
        metadata={"api": event_type},
    )


def _failed(fault: BaseException) -> error_pb2.Error:
    text = "".join(traceback.format_exception(fault)).encode()[-TRACEBACK_BYTES:]
    return error_pb2.Error(
        reason="HANDLER_FAILED",
        code=2,
        message=f"{type(fault).__name__}: {fault}"[:500],
        remedy="Repair the handler, then replay the dead letter.",
        metadata={"traceback": text.decode(errors="replace")},
    )
