"""Asking a person whether a tool may run, in the chat that made the agent want it."""

from __future__ import annotations

from collections.abc import Callable

from jackfield.v1 import model_pb2, tool_pb2
from jackfield_sdk import Actions, Button, ButtonStyle, Context, Message, Text

from jackfield_agent.approvals import (
    APPROVED,
    ASKED,
    CONTROLS,
    DENIED,
    Approvals,
    Question,
    must_ask,
    origin_of,
)
from jackfield_agent.catalog import OfferedTool
from jackfield_agent.settings import Settings
from jackfield_agent.texts import Texts
from jackfield_agent.turn import Clock

LONGEST_SHOWN = 400


class Consent:
    """Decides about the tools of one delivery."""

    def __init__(
        self,
        ctx: Context,
        settings: Settings,
        texts: Texts,
        approvals: Approvals,
        clock: Clock,
        now: Callable[[], float],
    ) -> None:
        self._ctx = ctx
        self._settings = settings
        self._texts = texts
        self._approvals = approvals
        self._clock = clock
        self._now = now

    async def decide(self, offered: OfferedTool, call: model_pb2.ToolCall, key: str) -> str:
        """APPROVED when nobody needs to be asked, else what the person said."""
        if not must_ask(self._settings.approval, offered.tool.danger):
            return APPROVED
        event = self._ctx.event
        if event.chat is None or not event.bot or event.sender is None:
            self._ctx.log.warning("%s needs approval and the event names nobody to ask", offered.name)
            return DENIED
        question = await self._approvals.ask(
            Question(
                id="",
                origin=origin_of(self._ctx.delivery_id, key, call.arguments_json),
                tool=offered.name,
                bot=event.bot,
                place=f"{event.bot}:{event.chat}",
                user=event.sender.id,
                expires=self._now() + self._settings.approval_seconds,
            )
        )
        if question.state != ASKED:
            return question.state
        await self._ctx.reply(self._message(question, offered, call), key=f"ask/{question.id}")
        began = self._clock.now
        try:
            return await self._approvals.decision(question)
        finally:
            self._clock.give_back(self._clock.now - began)

    def _message(self, question: Question, offered: OfferedTool, call: model_pb2.ToolCall) -> Message:
        texts = self._texts
        shown = call.arguments_json or "{}"
        if len(shown) > LONGEST_SHOWN:
            shown = f"{shown[:LONGEST_SHOWN]}… (+{len(shown) - LONGEST_SHOWN})"
        danger = tool_pb2.ToolDanger.Name(offered.tool.danger).removeprefix("TOOL_DANGER_").lower()
        text = texts(
            "ask",
            tool=f"{offered.plugin}/{offered.tool.name}",
            danger=texts(danger),
            arguments=shown,
            id=question.id,
            minutes=max(1, round(self._settings.approval_seconds / 60)),
        )
        buttons = (
            Button("approve", texts("allow"), ButtonStyle.PRIMARY, value=question.id),
            Button("deny", texts("deny"), ButtonStyle.DANGER, value=question.id),
        )
        return Message(Text(text), Actions(id=f"{CONTROLS}{question.id}", controls=buttons))
