"""Commands that a plugin offers to chat users: `@plugin.command("help")`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING

from jackfield.v1 import command_pb2

from jackfield_sdk import convert
from jackfield_sdk.calling import Caller, as_message
from jackfield_sdk.errors import NotFound
from jackfield_sdk.kv import Kv
from jackfield_sdk.link.call_context import CallContext, IncomingCall
from jackfield_sdk.link.methods import Method
from jackfield_sdk.message import Message

if TYPE_CHECKING:
    from jackfield_sdk.link.link import Link

INVOKE = "/jackfield.v1.Commands/Invoke"


class CommandContext(Caller):
    """Who used a command, where and how."""

    def __init__(self, link: Link, request: command_pb2.InvokeRequest, call: CallContext) -> None:
        super().__init__(link, bot=request.event.bot)
        self.event = convert.event_to_plain(request.event)
        self.name = request.name
        self.args = request.args
        self.arg_list = list(request.arg_list)
        self.locale = request.locale or "en"
        self.caller = call.caller
        self.kv = Kv(self, buffered=False)


CommandHandler = Callable[[CommandContext, str], Awaitable[Message | str | None]]


def invoke_method(commands: Mapping[str, CommandHandler], link: Callable[[], Link]) -> Method:
    """Serves `Commands.Invoke` from functions by name."""

    async def invoke(request: command_pb2.InvokeRequest, context: IncomingCall) -> command_pb2.InvokeResponse:
        handler = commands.get(request.name)
        if handler is None:
            raise NotFound(f"no command {request.name!r}; there are: {', '.join(sorted(commands))}")
        answer = await handler(CommandContext(link(), request, context.jackfield), request.args)
        if not answer:
            return command_pb2.InvokeResponse()
        return command_pb2.InvokeResponse(reply=convert.message_to_proto(as_message(answer)))

    return Method(
        path=INVOKE,
        request_streaming=False,
        response_streaming=False,
        deserialize=command_pb2.InvokeRequest.FromString,
        serialize=command_pb2.InvokeResponse.SerializeToString,
        behaviour=invoke,
    )
