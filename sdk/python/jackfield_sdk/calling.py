"""Calls to other plugins and to the kernel, as every context offers them."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from typing import Any, Literal, TypeVar

from jackfield.v1 import adapter_bot_pb2, adapter_message_pb2, frame_pb2, kernel_pb2

from jackfield_sdk import convert, wellknown
from jackfield_sdk.adapter_types import SendResult
from jackfield_sdk.entity import Chat
from jackfield_sdk.errors import AmbiguousCall, Cancelled
from jackfield_sdk.link.call_streams import CallStream
from jackfield_sdk.link.calls import Outgoing
from jackfield_sdk.link.deliveries import Lease
from jackfield_sdk.link.link import Link
from jackfield_sdk.message import Media, Message
from jackfield_sdk.target import KERNEL, Target, as_target

ADAPTER = "/jackfield.v1.Adapter/"
KERNEL_SERVICE = "/jackfield.v1.Kernel/"
R = TypeVar("R")
OnUnknown = Literal["fail", "repeat"]


class Caller:
    """Makes calls: under a delivery when it has a lease, else in the plugin's own name."""

    def __init__(self, link: Link, lease: Lease | None = None, bot: str = "") -> None:
        self._link = link
        self._lease = lease
        self._bot = bot
        self._counts: dict[str, int] = {}
        self._unnamed: set[str] = set()

    async def call(
        self,
        method: str,
        request: Any,
        response_type: type[R],
        *,
        target: str | Target | Chat | None = None,
        key: str | None = None,
        timeout: float | None = None,
        on_unknown: OnUnknown = "fail",
    ) -> R:
        """Calls `/package.Service/Method` of another plugin and returns its response.

        `request` and `response_type` are messages of the service's contract. `target`: `"<bot>:<chat>"`, a
        plugin's id, a Target; None: the delivery's bot for the Adapter service, else the only provider.
        `key` names the call within the delivery, so that a repeat after a crash returns the recorded
        result; the SDK counts when it is None. `timeout` in seconds, default 60. `on_unknown` says what
        happens when the provider died in the middle. Raises the JackfieldError that the provider or the
        kernel answered.
        """
        where = self._where(method, target)
        body = await self._unary(method, where.to_proto(), str(where), request, key, timeout, on_unknown)
        response: R = response_type.FromString(body)  # type: ignore[attr-defined]
        return response

    async def call_stream(
        self,
        method: str,
        request: Any,
        response_type: type[R],
        *,
        target: str | Target | Chat | None = None,
        key: str | None = None,
        timeout: float | None = None,
    ) -> AsyncIterator[R]:
        """As `call`, for a method that answers with a stream; iterate over the result. Leaving early
        cancels the call."""
        where = self._where(method, target)
        stream = await self._open(
            method, where, request, key, timeout, half_closed=True, server_streaming=True
        )
        try:
            while (body := await stream.read()) is not None:
                response: R = response_type.FromString(body)  # type: ignore[attr-defined]
                yield response
        finally:
            lost = self._lease.error if self._lease is not None else None
            if lost is None or isinstance(lost, Cancelled):
                stream.cancel()
            else:
                # The delivery comes again and takes up the call under its key: what runs must not end.
                stream.leave(lost)

    async def send(
        self,
        target: str | Target | Chat,
        message: Message | str,
        *,
        key: str | None = None,
        with_feedback: bool = False,
        timeout: float | None = None,
    ) -> SendResult:
        """Sends a message unasked, to `"<bot>:<chat>"` or, under a delivery, to a Chat of its bot. Needs
        `send`."""
        request = adapter_message_pb2.SendMessageRequest(
            message=convert.message_to_proto(as_message(message)), with_feedback=with_feedback
        )
        response = await self.call(
            ADAPTER + "SendMessage",
            request,
            adapter_message_pb2.SendMessageResponse,
            target=as_target(target, self._bot),
            key=key,
            timeout=timeout,
            on_unknown="repeat",
        )
        result: SendResult = convert.to_plain(response.result)
        return result

    async def platform(
        self,
        action: str,
        params: dict[str, Any] | None = None,
        *,
        target: str | Target | Chat | None = None,
        key: str | None = None,
        timeout: float | None = None,
    ) -> dict[str, Any]:
        """Runs an action that only one platform has. Needs the grant
        `call:jackfield.v1.Adapter/CallPlatformApi`."""
        request = adapter_bot_pb2.CallPlatformApiRequest(
            action=action, params=wellknown.struct_to_proto(params or {})
        )
        response = await self.call(
            ADAPTER + "CallPlatformApi",
            request,
            adapter_bot_pb2.CallPlatformApiResponse,
            target=target,
            key=key,
            timeout=timeout,
        )
        return wellknown.struct_to_plain(response.result)

    async def kernel(self, method: str, request: Any, response_type: type[R]) -> R:
        """Calls a method of the Kernel service by its short name. Reads and idempotent writes carry no
        key."""
        call = Outgoing(KERNEL_SERVICE + method, KERNEL, request.SerializeToString(), self._lease)
        end = await self._link.calls.unary(call)
        response: R = response_type.FromString(end.body)  # type: ignore[attr-defined]
        return response

    async def put_blob(self, data: bytes | AsyncIterator[bytes], *, mime: str = "", name: str = "") -> Media:
        """Stores bytes, at most 64 MiB, and returns a handle for a segment once they are durable."""
        blob_id, size = await self._link.put_blob(data, mime)
        return Media(blob_id=blob_id, mime=mime, size=size, name=name)

    async def get_blob(self, blob_id: str) -> bytes:
        """The bytes of a blob. Raises NotFound."""
        return b"".join([chunk async for chunk in self._link.get_blob(blob_id)])

    def iter_blob(self, blob_id: str) -> AsyncIterator[bytes]:
        """The bytes of a blob in chunks of at most 64 KiB."""
        return self._link.get_blob(blob_id)

    async def secret(self, name: str) -> str:
        """A secret's value. Raises NotFound or GrantMissing; never log it."""
        request = kernel_pb2.GetSecretRequest(name=name)
        return (await self.kernel("GetSecret", request, kernel_pb2.GetSecretResponse)).value

    def _where(self, method: str, target: str | Target | Chat | None) -> Target:
        if target is None and not method.startswith(ADAPTER):
            return Target()
        return as_target(target, self._bot)

    async def _unary(
        self,
        method: str,
        target: frame_pb2.CallTarget,
        target_text: str,
        request: Any,
        key: str | None,
        timeout: float | None,
        on_unknown: OnUnknown = "fail",
    ) -> bytes:
        path = f"{method}|{target_text}"
        name = self._name(path, key)
        unknown = frame_pb2.ON_UNKNOWN_REPEAT if on_unknown == "repeat" else frame_pb2.ON_UNKNOWN_FAIL
        call = Outgoing(
            method, target, request.SerializeToString(), self._lease, name, timeout, on_unknown=unknown
        )
        try:
            end = await self._link.calls.unary(call)
        finally:
            if key is None:
                self._unnamed.discard(path)
        return end.body

    async def _open(
        self,
        method: str,
        target: Target,
        request: Any,
        key: str | None,
        timeout: float | None,
        *,
        half_closed: bool,
        server_streaming: bool,
    ) -> CallStream:
        path = f"{method}|{target}"
        name = self._name(path, key)
        self._unnamed.discard(path)
        call = Outgoing(method, target.to_proto(), request.SerializeToString(), self._lease, name, timeout)
        return await self._link.calls.stream(call, half_closed=half_closed, server_streaming=server_streaming)

    def _name(self, path: str, key: str | None) -> str:
        """The key of a call: the author's, else path and occurrence; outside deliveries none by itself."""
        if key is not None:
            return key
        if self._lease is None:
            return ""
        if path in self._unnamed:
            raise AmbiguousCall(
                f"a call of {path} without a key is already in flight under this delivery",
                remedy="Give both calls a key=, so that a redelivery can tell them apart.",
            )
        self._unnamed.add(path)
        count = self._counts[path] = self._counts.get(path, 0) + 1
        return f"{path}|{count}"


def as_message(message: Message | str) -> Message:
    """Text becomes a message of one segment. Raises TypeError for anything else, ValueError for an empty
    one."""
    if isinstance(message, str):
        message = Message(message)
    if not isinstance(message, Message):
        raise TypeError(f"a message or text is needed, not {type(message).__name__}")
    if not message.segments:
        raise ValueError("an empty message cannot be sent")
    return message


def logger_for(plugin: str) -> logging.Logger:
    """The logger of a plugin's own code."""
    return logging.getLogger(f"jackfield.plugin.{plugin}")
