"""The plugin: answers messages by one assistant, and offers its assistants to others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jackfield.v1 import responder_pb2
from jackfield_sdk import (
    CommandContext,
    Context,
    Event,
    InvalidArgument,
    JackfieldError,
    LeaseLost,
    Message,
    MessageReceived,
    NotFound,
    Plugin,
    PluginContext,
    convert,
)
from jackfield_sdk.errors import error_to_plain
from jackfield_sdk.responder import respond

from jackfield_runners import __version__
from jackfield_runners.replying import Reply, joined
from jackfield_runners.service import Assistants
from jackfield_runners.settings import Settings
from jackfield_runners.texts import Texts

OUTCOMES = {
    responder_pb2.ANSWER_OUTCOME_ANSWERED: "answered",
    responder_pb2.ANSWER_OUTCOME_STOPPED: "stopped",
    responder_pb2.ANSWER_OUTCOME_FAILED: "failed",
}


class Runners:
    """Handles deliveries, commands and what is to be forgotten; the asking itself is the servicer's."""

    def __init__(self, assistants: Assistants) -> None:
        self._assistants = assistants
        self._plugin: PluginContext | None = None

    async def open(self, plugin: PluginContext) -> None:
        """Before the first event: say which assistants cannot work."""
        self._plugin = plugin
        await self._assistants.open(plugin)
        plugin.warn(_wrong(plugin.config))

    async def handle(self, ctx: Context, event: Event) -> None:
        """Answer one message. A setting that cannot work makes a dead letter that names it, and a word to the user."""
        assert self._plugin is not None
        if not isinstance(event.payload, MessageReceived):
            raise InvalidArgument(
                f"a runner answers message.received, not {event.type}",
                remedy=f"Change the event of the rule {ctx.rule_id}.",
                metadata={"field": "event"},
            )
        own = dict(ctx.rule_config)
        name = str(own.pop("runner", ""))
        texts = Texts(str(self._plugin.config.get("language") or ""))
        reply = Reply(ctx)
        try:
            Settings.of(self._plugin.config, name, own)
        except JackfieldError as error:
            await reply.finish(Message(texts("unset", reason=error.reason)))
            raise
        message = joined([event.message, *(one.message for one in ctx.merged)])
        try:
            outcome, reason = await self._answered(ctx, reply, texts, name, own, message)
        except LeaseLost:
            raise
        except JackfieldError as error:
            ctx.log.error("runner %s: %s", name or "of the rule", error)
            kind = "late" if error.reason == "DEADLINE_EXCEEDED" else "failed"
            await reply.finish(Message(texts(kind, reason=error.reason)))
            outcome, reason = "failed", error.reason
        ctx.emit("ended", {"runner": name, "outcome": outcome, "reason": reason})

    async def _answered(
        self,
        ctx: Context,
        reply: Reply,
        texts: Texts,
        name: str,
        own: Mapping[str, Any],
        message: Message,
    ) -> tuple[str, str]:
        assert self._plugin is not None
        async for step in respond(ctx, self._plugin.name, name, message, settings=own):
            if not step.HasField("end"):
                await reply.grow(step.text)
                continue
            end = step.end
            answer: Message = convert.message_to_plain(end.message)
            outcome, note, reason = OUTCOMES.get(end.outcome, "failed"), "", ""
            if outcome == "stopped":
                note = texts("stopped")
            elif outcome == "failed":
                error = error_to_plain(end.error)
                ctx.log.error("runner %s: %s", name or "of the rule", error)
                reason = error.reason
                note = texts("cut", reason=reason)
            elif not answer.plain().strip():
                note = texts("empty")
            await reply.finish(answer, note)
            return outcome, reason
        raise AssertionError("an answer has an end")

    async def stop(self, ctx: CommandContext, args: str) -> str:
        """`/stop-answer`"""
        texts = Texts(ctx.locale)
        stopped = self._assistants.runs.stop(f"{ctx.event.bot}:{ctx.event.chat}")
        return texts("stopping" if stopped else "nothing_runs")

    async def begun_anew(self, plugin: PluginContext, event: Event) -> None:
        """Somebody began a new conversation: so do the assistants there."""
        data = getattr(event.payload, "data", None) or {}
        if data.get("bot") and data.get("chat"):
            await self._assistants.places.forget_place(f"{data['bot']}:{data['chat']}")

    async def forgotten(self, plugin: PluginContext, event: Event) -> None:
        """A person is to be forgotten."""
        data = getattr(event.payload, "data", None) or {}
        if data.get("user"):
            await self._assistants.places.forget_person(str(data["user"]), str(data.get("bot") or ""))


def _wrong(config: Mapping[str, Any]) -> list[JackfieldError]:
    """What of the configuration can never work, each with its remedy."""
    found: list[JackfieldError] = []
    names: set[str] = set()
    for entry in config.get("runners") or ():
        name = str(entry.get("name") or "")
        if name in names:
            found.append(InvalidArgument(f"two runners are named {name!r}", remedy="Rename one of them."))
        names.add(name)
        try:
            Settings.of(config, name, {})
        except (InvalidArgument, NotFound) as error:
            found.append(InvalidArgument(f"runner {name}: {error.message}", remedy=error.remedy))
    return found


def build(assistants: Assistants | None = None) -> Plugin:
    """The plugin, ready to run."""
    plugin = Plugin("runners", version=__version__)
    assistants = assistants or Assistants()
    runners = Runners(assistants)
    plugin.setup(runners.open)
    plugin.teardown(assistants.close)
    plugin.service(assistants)
    plugin.on("*")(runners.handle)
    plugin.observe("conversation.reset")(runners.begun_anew)
    plugin.observe("jackfield.user_forgotten")(runners.forgotten)

    @plugin.command("stop-answer")
    async def stop(ctx: CommandContext, args: str) -> str:
        return await runners.stop(ctx, args)

    return plugin
