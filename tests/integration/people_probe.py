"""A handler of a test: remembers each message as a turn and says that it heard it."""

from __future__ import annotations

from jackfield.v1 import conversation_pb2, model_pb2
from jackfield_sdk import Context, Event, Plugin, Target, convert

SERVICE = "/jackfield.v1.Conversation/"
plugin = Plugin()


@plugin.on("message.received")
async def heard(ctx: Context, event: Event) -> None:
    """One turn, one answer."""
    target = Target(bot=event.bot, chat=event.chat, plugin="conversation")
    opened = await ctx.call(
        SERVICE + "OpenConversation",
        conversation_pb2.OpenConversationRequest(),
        conversation_pb2.OpenConversationResponse,
        target=target,
    )
    message = model_pb2.ModelMessage(
        role=model_pb2.MODEL_ROLE_USER, content=convert.message_to_proto(event.message)
    )
    turn = conversation_pb2.ConversationTurn(id=ctx.delivery_id, message=message)
    await ctx.call(
        SERVICE + "AppendTurns",
        conversation_pb2.AppendTurnsRequest(conversation_id=opened.conversation.id, turns=[turn]),
        conversation_pb2.AppendTurnsResponse,
        target=target,
    )
    await ctx.reply(f"heard: {event.text}")


plugin.run()
