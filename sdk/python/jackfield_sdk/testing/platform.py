"""Stands in for adapters that a test does not run: keeps what was sent and answers that it arrived."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jackfield.v1 import adapter_bot_pb2, adapter_message_pb2, frame_pb2, message_pb2

from jackfield_sdk import convert
from jackfield_sdk.errors import NotSupported
from jackfield_sdk.message import Message
from jackfield_sdk.testing.records import Delivered, Sent

ADAPTER = "/jackfield.v1.Adapter/"


class FakePlatform:
    """Every message that plugins sent, in order."""

    def __init__(self) -> None:
        self.sent: list[Sent] = []
        self.reactions: list[tuple[str, str]] = []

    def answer(self, opened: frame_pb2.CallOpen, delivered: Delivered | None, bodies: Sequence[bytes]) -> Any:
        """The response of an Adapter method. Raises NotSupported for what it does not play."""
        method = opened.method.removeprefix(ADAPTER)
        pb = adapter_message_pb2
        if method == "SendMessage":
            send = pb.SendMessageRequest.FromString(bodies[0])
            return pb.SendMessageResponse(result=self._keep(method, opened, delivered, send.message))
        if method == "ReplyMessage":
            reply = pb.ReplyMessageRequest.FromString(bodies[0])
            result = self._keep(method, opened, delivered, reply.message, quote=reply.quote_origin)
            return pb.ReplyMessageResponse(result=result)
        if method == "AnswerInteraction":
            answer = pb.AnswerInteractionRequest.FromString(bodies[0])
            return pb.AnswerInteractionResponse(result=self._keep(method, opened, delivered, answer.message))
        if method == "StreamReply":
            steps = [pb.StreamReplyRequest.FromString(body) for body in bodies]
            text = message_pb2.Message(
                segments=[message_pb2.Segment(text=message_pb2.Text(text=steps[-1].text))]
            )
            text.segments.extend(steps[-1].attachments.segments)
            return pb.StreamReplyResponse(result=self._keep(method, opened, delivered, text))
        if method == "EditMessage":
            edit = pb.EditMessageRequest.FromString(bodies[0])
            self._keep(method, opened, delivered, edit.message, message_id=edit.message_id)
            return pb.EditMessageResponse()
        if method == "AddReaction":
            reaction = pb.AddReactionRequest.FromString(bodies[0])
            self.reactions.append((reaction.message_id, reaction.reaction))
            return pb.AddReactionResponse()
        if method == "SendTyping":
            return pb.SendTypingResponse()
        if method == "CallPlatformApi":
            return adapter_bot_pb2.CallPlatformApiResponse()
        raise NotSupported(f"the fake platform has no {method}; use kernel.answer or run an adapter")

    def _keep(
        self,
        method: str,
        opened: frame_pb2.CallOpen,
        delivered: Delivered | None,
        message: message_pb2.Message,
        quote: bool = False,
        message_id: str = "",
    ) -> adapter_message_pb2.MessageResult:
        message_id = message_id or f"sent-{len(self.sent) + 1}"
        target = opened.target
        chat = None
        if target.HasField("chat"):
            chat = convert.to_plain(target.chat)
        elif delivered is not None:
            chat = convert.to_plain(delivered.proto.event.chat)
        content: Message = convert.message_to_plain(message)
        sent = Sent(method, target.bot, chat, content, message_id, quote, key=opened.key)
        self.sent.append(sent)
        if delivered is not None:
            delivered.sent.append(sent)
        return adapter_message_pb2.MessageResult(message_id=message_id)
