"""A kernel for tests: a real gRPC server on a unix socket, with its state in memory and no policy."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import grpc
import grpc.aio
from jackfield.v1 import adapter_bot_pb2, frame_pb2

from jackfield_sdk import convert, wellknown
from jackfield_sdk.adapter_types import CloseReason, OpenedBot
from jackfield_sdk.entity import Chat
from jackfield_sdk.errors import JackfieldError, UnknownBot
from jackfield_sdk.event import Event
from jackfield_sdk.link.bootstrap import Bootstrap
from jackfield_sdk.link.link import Identity
from jackfield_sdk.plugin import Plugin
from jackfield_sdk.runtime import Runtime
from jackfield_sdk.target import Target, as_target
from jackfield_sdk.testing import adapter_calls
from jackfield_sdk.testing.fake_calls import KernelCall, PluginCall
from jackfield_sdk.testing.fake_state import FakeState
from jackfield_sdk.testing.platform import ADAPTER, FakePlatform
from jackfield_sdk.testing.records import Delivered, Published, Sent
from jackfield_sdk.testing.servicer import KernelService
from jackfield_sdk.testing.session import Session

R = TypeVar("R")
SECRET = "secret"


class FakeKernel:
    """Use it as `async with FakeKernel() as kernel`. It routes nothing: a test delivers and calls by hand.

    Calls to a bot go to the adapter that the test runs and opened the bot on, else to a fake platform that
    keeps what was sent. Knobs: `holds_acks`, `refused_kinds`, `adopts`, `heartbeat`, `publish_window`,
    `refuse_publish`.
    """

    def __init__(self) -> None:
        self.state = FakeState()
        self.platform = FakePlatform()
        self.sessions: dict[str, Session] = {}
        self.heartbeat = 2.0
        self.publish_window = 1024
        self.holds_acks = False
        self.adopts = True
        self.refused_kinds: set[str] = set()
        self.refuse_publish: Callable[[Event], JackfieldError | None] | None = None
        self._answers: dict[str, tuple[Any, Callable[[Any], Any]]] = {}
        self._bots: dict[str, str] = {}
        self._fences = 0
        self._events = 0
        self._folder = ""
        self._server: grpc.aio.Server | None = None
        self._changed = asyncio.Condition()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> FakeKernel:
        self._folder = tempfile.mkdtemp(prefix="jf-")
        await self._start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def address(self) -> str:
        """gRPC target of the kernel."""
        return f"unix:{self._folder}/k.sock"

    # Plugins.

    def bootstrap(self, plugin: str) -> Bootstrap:
        """What the kernel would write into the plugin's bootstrap file."""
        return Bootstrap(
            address=self.address, plugin=plugin, secret=SECRET, data_dir=str(self._plugin_folder(plugin))
        )

    def expect(
        self, plugin: str, config: dict[str, Any] | None = None, grants: Iterable[str] = ()
    ) -> Session:
        """Lets a plugin register: for plugins that a test starts itself, also in other processes."""
        session = Session(self, plugin, SECRET)
        session.config.config.CopyFrom(wellknown.struct_to_proto(config or {}))
        session.config.grants.extend(grants)
        self.sessions[plugin] = session
        return session

    @asynccontextmanager
    async def running(
        self,
        plugin: Plugin,
        *,
        name: str = "",
        config: dict[str, Any] | None = None,
        grants: Iterable[str] = (),
        orphan_timeout: float = 120.0,
        wait_ready: bool = True,
    ) -> AsyncIterator[RunningPlugin]:
        """Runs a plugin in this event loop until the block ends, then drains it."""
        name = name or plugin.name or "plugin"
        session = self.expect(name, config, grants)
        identity = Identity(
            version=plugin.version, concurrency=plugin.concurrency, orphan_timeout=orphan_timeout
        )
        runtime = Runtime(plugin, self.bootstrap(name), identity)
        task = asyncio.ensure_future(runtime.run())
        running = RunningPlugin(session, runtime, task)
        try:
            if wait_ready:
                await running.until(session.ready.wait())
            yield running
        finally:
            if not task.done():
                runtime.finish()
            await asyncio.wait([task])
            self._bots = {bot: owner for bot, owner in self._bots.items() if owner != name}

    def session(self, plugin: str = "") -> Session:
        """The named plugin's session, or the only one."""
        if plugin:
            return self.sessions[plugin]
        handlers = [s for name, s in self.sessions.items() if name not in self._bots.values()]
        return (handlers or list(self.sessions.values()))[0]

    async def restart(self) -> None:
        """Ends the kernel and starts the next one on the same journal; plugins reconnect by themselves."""
        await self._stop()
        self.state.boot += 1
        await self._start()

    async def stop(self) -> None:
        """Ends the kernel; `restart` brings it back."""
        await self._stop()

    def drop(self, plugin: str = "") -> None:
        """Cuts the plugin's stream."""
        self.session(plugin).drop()

    def goaway(self, plugin: str = "", *, deadline: float = 5.0, reason: str = "stop") -> None:
        """Asks the plugin to finish."""
        goaway = frame_pb2.Goaway(reason=reason, deadline=wellknown.seconds_to_proto(deadline))
        self.session(plugin).send(frame_pb2.Frame(goaway=goaway))

    def configure(self, config: dict[str, Any], plugin: str = "") -> None:
        """Changes the plugin's configuration."""
        session = self.session(plugin)
        session.config.version += 1
        session.config.config.CopyFrom(wellknown.struct_to_proto(config))
        session.send(frame_pb2.Frame(config=session.config))

    # Deliveries.

    async def deliver(
        self,
        event: Event,
        *,
        plugin: str = "",
        rule_config: dict[str, Any] | None = None,
        merged: Iterable[Event] = (),
        attempt: int = 1,
        delivery_id: str = "",
        lane_busy: bool = False,
    ) -> Delivered:
        """Offers an event to a handler. `await delivered.outcome` for how it ended."""
        session = self.session(plugin)
        proto = frame_pb2.Delivery(
            delivery_id=delivery_id or f"{event.id}.1",
            event=convert.event_to_proto(event),
            merged=[convert.event_to_proto(other) for other in merged],
            attempt=attempt,
            rule_id="test",
            timeout=wellknown.seconds_to_proto(600),
            seed=7,
            lane_busy=lane_busy,
        )
        if rule_config is not None:
            proto.rule_config.CopyFrom(wellknown.struct_to_proto(rule_config))
        if event.time is not None:
            proto.now.CopyFrom(wellknown.time_to_proto(event.time))
        delivered = Delivered(proto, session.plugin, asyncio.get_running_loop().create_future())
        await session.attached.wait()
        session.deliver(delivered)
        return delivered

    async def redeliver(self, delivered: Delivered) -> Delivered:
        """Offers the same delivery again, as after a crash: its recorded calls return what they returned."""
        proto = delivered.proto
        return await self.deliver(
            convert.event_to_plain(proto.event),
            plugin=delivered.plugin,
            rule_config=wellknown.struct_to_plain(proto.rule_config),
            merged=[convert.event_to_plain(other) for other in proto.merged],
            delivery_id=delivered.id,
            attempt=proto.attempt + 1,
        )

    async def observe(self, event: Event, *, plugin: str = "") -> None:
        """Shows an event to the observers and waits until they have seen it."""
        session = self.session(plugin)
        self._events += 1
        proto = frame_pb2.Delivery(
            delivery_id=f"{event.id}.observe",
            event=convert.event_to_proto(event),
            observer=True,
            observed_sequence=self._events,
        )
        session.send(frame_pb2.Frame(delivery=proto))
        await self._until(lambda: session.observed >= proto.observed_sequence)

    def cancel(self, delivered: Delivered, reason: str = "CANCELLED", *, confirm: bool = False) -> None:
        """Takes a delivery back; with `confirm` the plugin settles it."""
        session = self.sessions[delivered.plugin]
        fence = next(fence for fence, held in session.leased.items() if held is delivered)
        cancel = frame_pb2.Cancel(fence=fence, confirm=confirm)
        cancel.error.reason, cancel.error.code = reason, 1
        cancel.error.message = "the test took the delivery back"
        if not confirm:
            del session.leased[fence]
        session.send(frame_pb2.Frame(cancel=cancel))

    def input(self, delivered: Delivered, event: Event) -> None:
        """Hands a further event to a running delivery: the answer to `ctx.ask`."""
        session = self.sessions[delivered.plugin]
        fence = next(fence for fence, held in session.leased.items() if held is delivered)
        frame = frame_pb2.Input(fence=fence, event=convert.event_to_proto(event))
        session.send(frame_pb2.Frame(input=frame))

    @property
    def sent(self) -> list[Sent]:
        """Every message sent to a bot that no adapter of the test serves."""
        return self.platform.sent

    def answer(self, method: str, request_type: Any, function: Callable[[Any], Any]) -> None:
        """Plays the provider of `/package.Service/Method`: the function returns a response, a list of them
        for a streaming method, or raises a JackfieldError. A list of requests comes in when the request is
        a stream."""
        self._answers[method] = (request_type, function)

    # Adapters and services.

    async def open_bot(
        self,
        bot: str,
        config: dict[str, Any] | None = None,
        *,
        plugin: str = "",
        checkpoint: bytes = b"",
    ) -> OpenedBot:
        """Opens a bot on an adapter; calls to the bot go there from now on. Raises what the adapter
        raises."""
        session = self.sessions[plugin] if plugin else next(iter(self.sessions.values()))
        request = adapter_bot_pb2.OpenBotRequest(
            bot=bot, config=wellknown.struct_to_proto(config or {}), checkpoint=checkpoint
        )
        request.lease_duration.FromSeconds(60)
        self._bots[bot] = session.plugin
        try:
            response = await self.call_service(
                ADAPTER + "OpenBot", request, adapter_bot_pb2.OpenBotResponse, target=Target(bot=bot)
            )
        except JackfieldError:
            self._bots.pop(bot, None)
            raise
        opened: OpenedBot = convert.to_plain(response)
        return opened

    async def close_bot(self, bot: str, reason: CloseReason = CloseReason.SHUTDOWN) -> bytes:
        """Closes a bot and returns its last checkpoint."""
        request = adapter_bot_pb2.CloseBotRequest(
            bot=bot, reason=adapter_bot_pb2.CloseReason.ValueType(int(reason))
        )
        response = await self.call_service(
            ADAPTER + "CloseBot", request, adapter_bot_pb2.CloseBotResponse, target=Target(bot=bot)
        )
        self._bots.pop(bot, None)
        return response.checkpoint

    async def call(
        self, bot: str, api: str, *, chat: Chat | None = None, key: str = "", **fields: Any
    ) -> Any:
        """Calls a unary Adapter method with plain values: `await kernel.call("b", "SendMessage",
        message=...)`.

        Returns the plain form of the answer.
        """
        request, response_type = adapter_calls.request(api, fields)
        response = await self.call_service(
            ADAPTER + api, request, response_type, target=Target(bot=bot, chat=chat), key=key
        )
        return adapter_calls.answer(response)

    async def call_service(
        self,
        method: str,
        request: Any,
        response_type: type[R],
        *,
        target: str | Target | None = None,
        caller: str = "test",
        key: str = "",
        reply_context: bytes = b"",
    ) -> R:
        """Calls a unary method that a plugin of the test serves."""
        call = self.open_call(
            method, request, target=target, caller=caller, key=key, reply_context=reply_context
        )
        body = await call.result()
        response: R = response_type.FromString(body)  # type: ignore[attr-defined]
        return response

    def open_call(
        self,
        method: str,
        request: Any,
        *,
        target: str | Target | None = None,
        caller: str = "test",
        key: str = "",
        half_closed: bool = True,
        server_streaming: bool = False,
        reply_context: bytes = b"",
    ) -> KernelCall:
        """Opens a call, streaming in either direction, to a plugin of the test."""
        where = as_target(target)
        opened = frame_pb2.CallOpen(
            method=method,
            target=where.to_proto(),
            body=request.SerializeToString(),
            half_closed=half_closed,
            server_streaming=server_streaming,
            caller=frame_pb2.Caller(plugin=caller, idempotency_key=key, reply_context=reply_context),
        )
        provider = self.provider_of(opened) or self.session(where.plugin)
        return provider.open_call(opened)

    @property
    def published(self) -> list[Published]:
        """Every event that was made durable, in order."""
        return self.state.published

    async def wait_published(self, count: int = 1) -> list[Published]:
        """Waits until so many events were published."""
        await self._until(lambda: len(self.state.published) >= count)
        return self.state.published

    async def wait_bot(self, bot: str, state: int) -> frame_pb2.BotReport:
        """Waits until an adapter reported this state of a bot."""

        def found() -> list[frame_pb2.BotReport]:
            reports = [s.bots[bot] for s in self.sessions.values() if bot in s.bots]
            return [report for report in reports if report.state == state]

        await self._until(lambda: bool(found()))
        return found()[0]

    # What sessions ask.

    def next_fence(self) -> int:
        """A fence of this kernel start."""
        self._fences += 1
        return (self.state.boot << 40) | self._fences

    def provider_of(self, opened: frame_pb2.CallOpen) -> Session | None:
        """The running adapter of the bot, or the running plugin of that name; None: the fake answers."""
        target = opened.target
        name = target.plugin or self._bots.get(target.bot, "")
        session = self.sessions.get(name)
        return session if session is not None and session.attached.is_set() else None

    def serve(self, plugin: str, opened: frame_pb2.CallOpen) -> Any:
        """A unary method of the Kernel service by frame."""
        return self.state.serve(plugin, opened.method.rpartition("/")[2], opened.body)

    def fake_answer(self, call: PluginCall, bodies: list[bytes]) -> Any:
        """The answer of `answer` or of the fake platform."""
        opened = call.opened
        entry = self._answers.get(opened.method)
        if entry is not None:
            requests = [entry[0].FromString(body) for body in bodies]
            return entry[1](requests[0] if opened.half_closed else requests)
        return self.platform.answer(opened, call.delivered, bodies)

    def judge(self, session: Session, event: Event) -> JackfieldError | None:
        """Refuses what a kernel would refuse, and what the test wants refused."""
        own = event.type.startswith(f"{session.plugin}.") and "send" in session.config.grants
        if event.bot and not own and self._bots.get(event.bot) != session.plugin:
            return UnknownBot(f"{event.bot} is not open on this session", metadata={"bot": event.bot})
        return self.refuse_publish(event) if self.refuse_publish is not None else None

    def add_published(self, published: Published) -> None:
        """A new durable event."""
        self.state.published.append(published)
        self._notify()

    def note_observed(self) -> None:
        """An observer went on."""
        self._notify()

    def note_report(self) -> None:
        """A plugin said something about itself."""
        self._notify()

    # Inside.

    async def _start(self) -> None:
        server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
        server.add_generic_rpc_handlers((KernelService(self),))
        server.add_insecure_port(self.address)
        await server.start()
        self._server = server

    async def _stop(self) -> None:
        if self._server is None:
            return
        for session in self.sessions.values():
            session.drop()
        server, self._server = self._server, None
        await server.stop(0.2)

    def _plugin_folder(self, plugin: str) -> Path:
        folder = Path(self._folder) / f"data-{plugin}"
        folder.mkdir(exist_ok=True)
        return folder

    def _notify(self) -> None:
        task = asyncio.ensure_future(self._wake())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _wake(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    async def _until(self, holds: Callable[[], bool]) -> None:
        async with self._changed:
            await self._changed.wait_for(holds)


class RunningPlugin:
    """A plugin that runs in the test's event loop."""

    def __init__(self, session: Session, runtime: Runtime, task: asyncio.Task[int]) -> None:
        self.session = session
        self.runtime = runtime
        self.task = task

    @property
    def name(self) -> str:
        """Its id."""
        return self.session.plugin

    @property
    def addresses(self) -> list[tuple[str, str]]:
        """What it reported to the operator."""
        return [(address.label, address.url) for address in self.session.report.addresses]

    async def finished(self) -> int:
        """Waits for its end and returns the exit code."""
        return await asyncio.shield(self.task)

    async def attached_again(self, times: int) -> None:
        """Waits until it has attached so many times."""
        while self.session.attachments < times:
            await self.until(self.session.detached.wait())
            await self.until(self.session.attached.wait())

    async def until(self, waiting: Any) -> None:
        """Waits for something of this plugin; raises RuntimeError when it ends first."""
        waiter = asyncio.ensure_future(waiting)
        await asyncio.wait({waiter, self.task}, return_when=asyncio.FIRST_COMPLETED)
        if not waiter.done():
            waiter.cancel()
            raise RuntimeError(f"the plugin ended: {self.task.exception() or self.task.result()}")
