"""Serves `jackfield.v1.Adapter` with an author's Adapter: bots, requests to plain values, plain answers to
responses."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from google.protobuf.descriptor import FieldDescriptor, MethodDescriptor
from google.protobuf.message_factory import GetMessageClass
from jackfield.v1 import adapter_bot_pb2, adapter_message_pb2, adapter_pb2, frame_pb2

from jackfield_sdk import convert, wellknown
from jackfield_sdk.adapter import Adapter
from jackfield_sdk.adapter_types import (
    AnswerSource,
    BotState,
    Cached,
    Capabilities,
    CloseReason,
    OpenedBot,
    Page,
)
from jackfield_sdk.bot import Bot
from jackfield_sdk.entity import User
from jackfield_sdk.errors import InvalidArgument, NotSupported, UnknownBot
from jackfield_sdk.incoming import Call, StreamSteps
from jackfield_sdk.link.call_context import IncomingCall
from jackfield_sdk.link.methods import Method
from jackfield_sdk.manifest import own_provides

if TYPE_CHECKING:
    from jackfield_sdk.runtime import Runtime

logger = logging.getLogger("jackfield_sdk.adapter")
SERVICE = "jackfield.v1.Adapter"
# How long a closing bot waits for its calls in flight, in seconds.
CLOSE_SECONDS = 10.0
LEASE_LOOK_SECONDS = 1.0
# Not a parameter of the adapter's methods: it stands in the call.
IN_CALL = "with_feedback"
# Work by themselves from send_message.
DERIVED = ("ReplyMessage", "StreamReply")
# Messages in requests that may be absent; the method gets None.
OPTIONAL = ("jackfield.v1.MuteMemberRequest.duration", "jackfield.v1.AnswerInteractionRequest.message")
ALWAYS = ("OpenBot", "CloseBot", "GetCapabilities")


class AdapterHost:
    """One run of an adapter."""

    def __init__(self, adapter: Adapter, runtime: Runtime) -> None:
        self._adapter = adapter
        self._runtime = runtime
        self._bots: dict[str, Bot] = {}
        self._requests: dict[str, bytes] = {}
        self._locks: dict[str, asyncio.Lock] = {}
        self._busy: dict[str, set[asyncio.Task[Any]]] = {}
        self._provides = own_provides(type(adapter))
        self.platform = type(adapter).platform or str(self._provides.get("platform", ""))

    def methods(self) -> list[Method]:
        """Every method of the contract; what the author did not write answers NOT_SUPPORTED."""
        service = adapter_pb2.DESCRIPTOR.services_by_name["Adapter"]
        return [self._method(descriptor) for descriptor in service.methods]

    async def setup(self) -> None:
        """Before the first bot."""
        self._adapter.plugin = self._runtime.context
        self._runtime.link.evidence = self
        await self._adapter.setup()

    async def watch(self) -> None:
        """Closes bots whose lease is half over without a word of the kernel, until cancelled.

        Another process may use their credential soon. The kernel opens them again once it is reached.
        """
        while True:
            await asyncio.sleep(LEASE_LOOK_SECONDS)
            for name in [name for name, bot in self._bots.items() if not bot.may_act]:
                async with self._locks.setdefault(name, asyncio.Lock()):
                    logger.warning(
                        "the kernel was not reached for half of the lease of bot %s: closing it", name
                    )
                    try:
                        await self._close(name, CloseReason.LEASE_LOST)
                    except Exception:
                        # The border to an author's code: the bot is forgotten all the same.
                        logger.exception("closing bot %s failed", name)

    def ages(self) -> list[frame_pb2.Evidence]:
        """How long ago each open bot heard from its platform, where the manifest or `Bot.alive` says that this is known."""
        now = time.monotonic()
        return [
            frame_pb2.Evidence(bot=name, age=wellknown.seconds_to_proto(now - bot.heard_at))
            for name, bot in self._bots.items()
            if bot.proves_life or "liveness" in self._provides
        ]

    def stood_still(self, seconds: float) -> None:
        """Nobody could be heard while this process did nothing."""
        for bot in self._bots.values():
            bot.heard_at += seconds

    async def teardown(self) -> None:
        """Closes what is still open."""
        for name in list(self._bots):
            await self._close(name, CloseReason.SHUTDOWN)
        await self._adapter.teardown()

    def _method(self, descriptor: MethodDescriptor) -> Method:
        name = descriptor.name
        if name == "OpenBot":
            behaviour: Any = self._open_bot
        elif name == "CloseBot":
            behaviour = self._close_bot
        elif name == "GetCapabilities":
            behaviour = self._get_capabilities
        elif name == "StreamReply":
            behaviour = self._stream_reply
        elif name == "FetchMedia":
            behaviour = self._fetch_media
        else:
            behaviour = self._plain(descriptor)
        request, response = GetMessageClass(descriptor.input_type), GetMessageClass(descriptor.output_type)
        return Method(
            path=f"/{SERVICE}/{name}",
            request_streaming=descriptor.client_streaming,
            response_streaming=descriptor.server_streaming,
            deserialize=request.FromString,
            serialize=response.SerializeToString,
            behaviour=behaviour,
        )

    def _plain(self, descriptor: MethodDescriptor) -> Any:
        """A unary method: fields become arguments of the same name, the return value the response."""
        name = snake(descriptor.name)
        implementation = getattr(self._adapter, name)
        fields = [f for f in descriptor.input_type.fields if f.name != IN_CALL]
        response_class = GetMessageClass(descriptor.output_type)

        why = (
            self._adapter.unsupported.get(name)
            if not overrides(type(self._adapter), descriptor.name)
            else None
        )

        async def serve(request: Any, context: IncomingCall) -> Any:
            call = self._call(context, getattr(request, IN_CALL, False))
            if why is not None:
                raise NotSupported(f"no {name}: {why}", metadata={"api": name})
            values = {f.name: _argument(f, request) for f in fields}
            with _InFlight(self._busy[call.bot.name]):
                return respond(response_class, await implementation(call, **values))

        return serve

    async def _open_bot(self, request: adapter_bot_pb2.OpenBotRequest, context: IncomingCall) -> Any:
        name = request.bot or context.jackfield.bot
        async with self._locks.setdefault(name, asyncio.Lock()):
            lease = wellknown.duration_to_plain(request.lease_duration).total_seconds()
            # The checkpoint moves on while a bot is open; only another configuration opens it anew.
            asked = request.config.SerializeToString(deterministic=True)
            if name in self._bots:
                if self._requests[name] == asked:
                    self._bots[name].lease_seconds = lease
                    return convert.to_proto(OpenedBot(self=self._bots[name].self_user))
                await self._close(name, CloseReason.CONFIGURATION)
            config = wellknown.struct_to_plain(request.config)
            bot = Bot(self._runtime, name, self.platform, config, request.checkpoint, lease)
            # Events may be published before open_bot returns.
            self._bots[name], self._requests[name], self._busy[name] = bot, asked, set()
            self._runtime.link.open_bots.add(name)
            try:
                answer = await self._adapter.open_bot(bot)
            except BaseException:
                self._forget(name)
                raise
            opened = OpenedBot(self=answer) if isinstance(answer, User) else answer or OpenedBot()
            bot.self_user = opened.self or bot.self_user
            if bot.reported is BotState.UNSPECIFIED:
                bot.state(BotState.ACTIVE)
            return convert.to_proto(OpenedBot(self=bot.self_user, addresses=opened.addresses))

    async def _close_bot(self, request: adapter_bot_pb2.CloseBotRequest, context: IncomingCall) -> Any:
        name = request.bot or context.jackfield.bot
        async with self._locks.setdefault(name, asyncio.Lock()):
            checkpoint = await self._close(name, CloseReason(request.reason))
        return adapter_bot_pb2.CloseBotResponse(checkpoint=checkpoint)

    async def _close(self, name: str, reason: CloseReason) -> bytes:
        bot = self._bots.get(name)
        if bot is None:
            return b""
        busy = self._busy[name]
        if busy and reason is not CloseReason.LEASE_LOST:
            await asyncio.wait(set(busy), timeout=CLOSE_SECONDS)
        try:
            checkpoint = await self._adapter.close_bot(bot, reason)
        finally:
            self._forget(name)
        return bot.checkpoint if checkpoint is None else checkpoint

    def _forget(self, name: str) -> None:
        self._bots.pop(name, None)
        self._requests.pop(name, None)
        self._busy.pop(name, None)
        self._runtime.link.open_bots.discard(name)
        self._runtime.context.forget_bot(name)

    async def _get_capabilities(self, request: object, context: IncomingCall) -> Any:
        declared = self._declared()
        return convert.to_proto(await self._adapter.get_capabilities(self._call(context)) or declared)

    async def _stream_reply(
        self, requests: AsyncIterator[adapter_message_pb2.StreamReplyRequest], context: IncomingCall
    ) -> Any:
        steps = await StreamSteps.begin(requests)
        call = self._call(context, steps.opening.with_feedback)
        with _InFlight(self._busy[call.bot.name]):
            result = await self._adapter.stream_reply(call, steps)
        return respond(adapter_message_pb2.StreamReplyResponse, result)

    async def _fetch_media(
        self, request: adapter_message_pb2.FetchMediaRequest, context: IncomingCall
    ) -> AsyncIterator[Any]:
        chunks = self._adapter.fetch_media(
            self._call(context), request.platform_id, request.message_id, request.max_bytes or 10 << 20
        )
        async for chunk in chunks:
            yield convert.to_proto(chunk)

    def _call(self, context: IncomingCall, with_feedback: bool = False) -> Call:
        name = context.jackfield.bot
        bot = self._bots.get(name)
        if bot is None:
            raise UnknownBot(f"the bot {name!r} is not open here", metadata={"bot": name})
        return Call(bot, context, with_feedback)

    def _declared(self) -> Capabilities:
        """From the class where it says something, else from the manifest; methods from what is overridden."""
        adapter, provides = type(self._adapter), self._provides
        segments = provides.get("segments") or {}
        service = adapter_pb2.DESCRIPTOR.services_by_name["Adapter"]
        apis = [m.name for m in service.methods if m.name in ALWAYS + DERIVED or overrides(adapter, m.name)]
        streams = overrides(adapter, "StreamReply") or overrides(adapter, "EditMessage")
        return Capabilities(
            events=adapter.events or tuple(provides.get("events") or ()),
            apis=tuple(snake(name) for name in apis),
            receive_segments=adapter.receive_segments or tuple(segments.get("receive") or ()),
            send_segments=adapter.send_segments or tuple(segments.get("send") or ()),
            streams=streams,
            actions=adapter.actions or tuple(action["name"] for action in provides.get("actions") or ()),
        )


class _InFlight:
    """Notes the present task among a bot's calls."""

    def __init__(self, tasks: set[asyncio.Task[Any]]) -> None:
        self._tasks = tasks
        self._task: asyncio.Task[Any] | None = None

    def __enter__(self) -> None:
        self._task = asyncio.current_task()
        if self._task is not None:
            self._tasks.add(self._task)

    def __exit__(self, *exc: object) -> None:
        if self._task is not None:
            self._tasks.discard(self._task)


def snake(name: str) -> str:
    """`SendMessage` → `send_message`."""
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_")


def overrides(adapter: type[Adapter], name: str) -> bool:
    """True when the author wrote this method."""
    return getattr(adapter, snake(name)) is not getattr(Adapter, snake(name))


def respond(response_class: type[Any], value: Any) -> Any:
    """The response of a plain answer: the whole where it has a plain class, else its first field."""
    source = AnswerSource.UNSPECIFIED
    if isinstance(value, Cached):
        value, source = value.value, AnswerSource.CACHE
    fields = response_class.DESCRIPTOR.fields
    values: dict[str, Any] = {}
    if isinstance(value, Page):
        values[fields[0].name] = convert.value_to_proto(fields[0], value.items)
        source = value.source
        for name in ("next_page_token", "partial"):
            if name in response_class.DESCRIPTOR.fields_by_name:
                values[name] = getattr(value, name)
    elif value is not None:
        proto = convert.to_proto(value) if convert.is_paired(value) else None
        if isinstance(proto, response_class):
            if source:
                proto.source = source
            return proto
        if not fields:
            raise NotSupported(f"{response_class.__name__} takes no answer, got {type(value).__name__}")
        values[fields[0].name] = proto if proto is not None else convert.value_to_proto(fields[0], value)
    if source:
        values["source"] = int(source)
    return response_class(**values)


def _argument(field: FieldDescriptor, request: Any) -> Any:
    """One argument of an adapter's method. Raises InvalidArgument for a required one that is not there."""
    if field.has_presence and not request.HasField(field.name):
        # A JSON object that is not there is an empty one.
        if field.message_type is not None and field.message_type.full_name == "google.protobuf.Struct":
            return {}
        if field.full_name not in OPTIONAL:
            raise InvalidArgument(f"{field.name} is missing", metadata={"field": field.name})
        return None
    return convert.value_to_plain(field, getattr(request, field.name))
