"""A reply whose text grows while it is written."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from types import TracebackType

from jackfield.v1 import adapter_message_pb2

from jackfield_sdk import convert
from jackfield_sdk.adapter_types import SendResult
from jackfield_sdk.errors import Unavailable
from jackfield_sdk.link.call_streams import CallStream
from jackfield_sdk.message import Message

REOPENINGS = 5
OpenCall = Callable[[adapter_message_pb2.StreamReplyRequest], Awaitable[CallStream]]


class ReplyStream:
    """Use it as `async with ctx.stream() as stream`; the block's end settles the message, an exception
    cancels it.

    Texts are cumulative, so a lost connection costs nothing: the stream is opened again under the same key,
    with the text so far, and the adapter goes on with the message that it had begun.
    """

    def __init__(self, opening: adapter_message_pb2.StreamOpening, open_call: OpenCall) -> None:
        self._opening = opening
        self._open_call = open_call
        self._call: CallStream | None = None
        self._sequence = 0
        self._text = ""
        self._attachments: Message | None = None
        self._reopenings = 0
        self.result: SendResult | None = None

    @property
    def text(self) -> str:
        """The text so far."""
        return self._text

    async def update(self, text: str) -> None:
        """Replaces the whole text."""
        self._text = text
        await self._step()

    async def append(self, text: str) -> None:
        """Adds to the text."""
        await self.update(self._text + text)

    def attach(self, message: Message) -> None:
        """Segments that follow the final text, such as images or buttons."""
        self._attachments = message

    async def __aenter__(self) -> ReplyStream:
        await self._step()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            if self._call is not None:
                self._call.cancel()
            return
        self.result = await self._finish()

    async def _finish(self) -> SendResult:
        while True:
            await self._step(final=True)
            assert self._call is not None
            try:
                self._call.half_close()
                body = await self._call.result()
            except Unavailable:
                await self._reopen()
                continue
            except asyncio.CancelledError:
                self._call.cancel()
                raise
            response = adapter_message_pb2.StreamReplyResponse.FromString(body)
            result: SendResult = convert.to_plain(response.result)
            return result

    async def _step(self, final: bool = False) -> None:
        while True:
            request = adapter_message_pb2.StreamReplyRequest(
                sequence=self._sequence + 1, text=self._text, is_final=final
            )
            if final and self._attachments is not None:
                request.attachments.CopyFrom(convert.message_to_proto(self._attachments))
            try:
                if self._call is None:
                    request.opening.CopyFrom(self._opening)
                    self._call = await self._open_call(request)
                else:
                    await self._call.send(request.SerializeToString())
            except Unavailable:
                await self._reopen()
                continue
            self._sequence += 1
            return

    async def _reopen(self) -> None:
        """Called while handling the Unavailable that cut the stream; raises it when enough was tried."""
        self._reopenings += 1
        if self._reopenings > REOPENINGS:
            raise Unavailable("the streamed reply was cut too often")
        self._call = None
        self._sequence = 0
        await asyncio.sleep(0.1 * 2**self._reopenings)
