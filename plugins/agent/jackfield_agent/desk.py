"""What users ask of the agent beside talking to it: commands and buttons."""

from __future__ import annotations

from dataclasses import replace

from jackfield.v1 import conversation_pb2, responder_pb2
from jackfield_sdk import (
    CommandContext,
    Context,
    Event,
    InteractionReceived,
    JackfieldError,
    PluginContext,
    Target,
)

from jackfield_agent.approvals import APPROVED, CONTROLS, DENIED, EXPIRED, Approvals
from jackfield_agent.catalog import CONVERSATION, MODEL, Catalog
from jackfield_agent.memory import Place, call
from jackfield_agent.runs import Runs
from jackfield_agent.settings import Settings
from jackfield_agent.texts import Texts

CHOSEN = "model/"
RESPONDER = "jackfield.v1.Responder"
STOP_SECONDS = 2.0


class Desk:
    """Commands and buttons."""

    def __init__(self, plugin: PluginContext, catalog: Catalog, approvals: Approvals, runs: Runs) -> None:
        self._plugin = plugin
        self._catalog = catalog
        self._approvals = approvals
        self._runs = runs

    async def stop(self, ctx: CommandContext, args: str) -> str:
        """`/stop`: for all that answers in the chat."""
        texts, event = self._texts(ctx), ctx.event
        running = self._runs.at(place_of(event))
        sender = event.sender.id if event.sender is not None else ""
        admin = Settings.of(self._plugin.config, {}).is_admin(event.bot, sender)
        own = [run for run in running if admin or run.asker in ("", sender)]
        for run in own:
            run.stop()
        # Who asked an assistant elsewhere is not known here: those answers are stopped for anyone.
        if await self._stop_others(event) or own:
            return texts("stopping")
        return texts("not_yours_to_stop" if running else "nothing_runs")

    async def _stop_others(self, event: Event) -> int:
        """Stop the answers of plugins that stand for assistants elsewhere; says how many."""
        stopped = 0
        for provider in (await self._catalog.installed()).providers(RESPONDER):
            try:
                response = await self._plugin.call(
                    f"/{RESPONDER}/StopAnswers",
                    responder_pb2.StopAnswersRequest(),
                    responder_pb2.StopAnswersResponse,
                    target=Target(bot=event.bot, chat=event.chat, plugin=provider),
                    timeout=STOP_SECONDS,
                )
            except JackfieldError as error:
                self._plugin.log.warning("%s could not be told to stop: %s", provider, error)
            else:
                stopped += response.stopped
        return stopped

    async def approve(self, ctx: CommandContext, args: str) -> str:
        """`/approve [id]`"""
        return await self._decide(ctx.event, args, APPROVED, self._texts(ctx))

    async def deny(self, ctx: CommandContext, args: str) -> str:
        """`/deny [id]`"""
        return await self._decide(ctx.event, args, DENIED, self._texts(ctx))

    async def pressed(self, ctx: Context, event: Event) -> None:
        """A button of a question; any other is left to whoever put it there."""
        pressed = event.payload
        if not isinstance(pressed, InteractionReceived) or not pressed.controls_id.startswith(CONTROLS):
            return
        state = {"approve": APPROVED, "deny": DENIED}.get(pressed.action_id)
        if state is None:
            return
        texts = Texts(str(self._plugin.config.get("language") or ""))
        question = pressed.controls_id.removeprefix(CONTROLS)
        await ctx.reply(await self._decide(event, question, state, texts))

    async def model(self, ctx: CommandContext, args: str) -> str:
        """`/model [name]`; the command plugin lets administrators alone use it."""
        texts = self._texts(ctx)
        key = f"{CHOSEN}{ctx.event.bot}"
        installed = await self._catalog.installed()
        wanted = args.strip()
        if wanted == "default":
            await self._plugin.kv.delete(key)
            return texts("model_default")
        names = [
            f"{plugin}/{model.id}"
            for plugin in installed.providers(MODEL)
            for model in await self._catalog.described(plugin)
        ]
        if wanted:
            if wanted not in names and wanted not in installed.providers(MODEL):
                return texts("model_unknown", model=wanted) + "\n" + "\n".join(names)
            await self._plugin.kv.put(key, wanted)
            return texts("model_set", model=wanted)
        settings = Settings.of(self._plugin.config, {})
        chosen = await self._plugin.kv.get_text(key)
        asked = [str(one) for one in await self._catalog.models(installed, settings.models)]
        first = [f"* {chosen}"] if chosen else []
        listed = [*first, *(f"* {name}" for name in asked), *(f"  {name}" for name in names)]
        return "\n".join([texts("models"), *listed])

    async def usage(self, ctx: CommandContext, args: str) -> str:
        """`/usage`"""
        texts = self._texts(ctx)
        settings = Settings.of(self._plugin.config, {})
        event = ctx.event
        place = memory_place((await self._catalog.installed()).providers(CONVERSATION), event, settings)
        if not place.provider:
            return texts("no_memory")
        opened = await call(
            self._plugin,
            place,
            "OpenConversation",
            conversation_pb2.OpenConversationRequest(user_id=place.user_id),
            conversation_pb2.OpenConversationResponse,
        )
        record = opened.conversation
        usage = record.usage
        return texts("usage", turns=record.turns, input=usage.input_tokens, output=usage.output_tokens)

    async def _decide(self, event: Event, wanted: str, state: str, texts: Texts) -> str:
        place = place_of(event)
        question_id = wanted.strip()
        if not question_id:
            asked = await self._approvals.open_at(place)
            if len(asked) > 1:
                return texts("several_asked", ids=", ".join(f"{one.id} ({one.tool})" for one in asked))
            question_id = asked[0].id if asked else ""
        question = await self._approvals.find(question_id) if question_id else None
        if question is None or question.place != place:
            return texts("none_asked")
        sender = event.sender.id if event.sender is not None else ""
        settings = Settings.of(self._plugin.config, {})
        if sender != question.user and not settings.is_admin(event.bot, sender):
            return texts("not_yours")
        if question.state not in (state, "asked"):
            return texts("expired" if question.state == EXPIRED else "answered_before", tool=question.tool)
        decided = await self._approvals.decide(question.id, state)
        return texts(decided.state, tool=decided.tool)

    def _texts(self, ctx: CommandContext) -> Texts:
        return Texts(ctx.locale)


def place_of(event: Event) -> str:
    """Where an event belongs: `<bot>:<chat>`."""
    return f"{event.bot}:{event.chat}"


def asker_of(event: Event, settings: Settings) -> str:
    """Who alone, beside administrators, may stop the answer to an event; empty: anyone there."""
    if settings.stop == "anyone" or event.is_private or event.sender is None:
        return ""
    return event.sender.id


def memory_place(providers: list[str], event: Event, settings: Settings) -> Place:
    """Who remembers this event's conversation. An event without a chat has none."""
    if not providers or event.chat is None or not event.bot:
        return Place("", Target())
    user = event.sender.id if settings.per_user and event.sender is not None else ""
    chat = event.chat
    if event.subject and not event.message:
        # What a job says is no part of the chat's own conversation: users and model keep taking turns there.
        chat = replace(chat, thread_id=event.subject)
    return Place(providers[0], Target(bot=event.bot, chat=chat, plugin=providers[0]), user)
