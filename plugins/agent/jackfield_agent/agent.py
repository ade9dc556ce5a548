"""The handler: puts one answer together and says how it ended."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from jackfield.v1 import model_pb2
from jackfield_sdk import CommandContext, Context, Event, JackfieldError, LeaseLost, Plugin, PluginContext

from jackfield_agent import __version__
from jackfield_agent.approvals import Approvals
from jackfield_agent.asking import Asking, ModelFailed
from jackfield_agent.catalog import CONVERSATION, Candidate, Catalog, Installed, OfferedTool
from jackfield_agent.compression import fit
from jackfield_agent.consent import Consent
from jackfield_agent.desk import CHOSEN, Desk, asker_of, memory_place, place_of
from jackfield_agent.incoming import Incoming
from jackfield_agent.memory import Memory
from jackfield_agent.prompts import system_prompt
from jackfield_agent.replying import Reply
from jackfield_agent.runs import Run, Runs
from jackfield_agent.settings import Settings
from jackfield_agent.showing import typing
from jackfield_agent.texts import Texts
from jackfield_agent.tooling import Tooling
from jackfield_agent.turn import SHOWN, Bound, Clock, Turn

# After so many attempts an answer without memory is better than none.
ATTEMPTS_WITH_MEMORY = 3
# The kernel waits two seconds for an interrupted handler.
LAST_WORDS = 1.5
Command = Callable[[Desk, CommandContext, str], Coroutine[Any, Any, str]]


@dataclass(slots=True)
class _Work:
    """One answer with all that it needs."""

    turn: Turn
    memory: Memory
    asking: Asking
    installed: Installed
    candidates: list[Candidate]
    tools: dict[str, OfferedTool]
    clock: Clock


class Agent:
    """Answers events. `now` in seconds since 1970, `clock` in seconds of any beginning."""

    def __init__(
        self, now: Callable[[], float] = time.time, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._now = now
        self._clock = clock
        self._runs = Runs()
        self._plugin: PluginContext | None = None

    async def open(self, plugin: PluginContext) -> None:
        """Before the first event."""
        self._plugin = plugin
        self._catalog = Catalog(plugin, self._clock)
        self._approvals = Approvals(plugin, self._now)
        self.desk = Desk(plugin, self._catalog, self._approvals, self._runs)

    async def handle(self, ctx: Context, event: Event) -> None:
        """Answer one event."""
        assert self._plugin is not None
        settings = Settings.of(self._plugin.config, ctx.rule_config)
        texts = Texts(settings.language)
        work = await self._prepared(ctx, settings, texts)
        ctx.emit("started", {"event_type": event.type, "input": event.message.plain()[:SHOWN]})
        if not work.candidates:
            await self._say(ctx, settings, work, texts("no_model"))
            self._tell_end(ctx, work.turn, "failed", "NO_PROVIDER")
            return
        answer = self._answer(ctx, settings, work)
        with self._runs.running(place_of(event), answer, asker_of(event, settings)) as run:
            outcome, reason = await self._outcome(ctx, settings, texts, work, run)
        await work.memory.append(work.turn.said)
        self._tell_end(ctx, work.turn, outcome, reason)

    async def _prepared(self, ctx: Context, settings: Settings, texts: Texts) -> _Work:
        assert self._plugin is not None
        event = ctx.event
        installed = await self._catalog.installed()
        chosen = await self._plugin.kv.get_text(f"{CHOSEN}{event.bot}")
        first = await self._catalog.models(installed, [chosen]) if chosen else []
        others = await self._catalog.models(installed, settings.models)
        candidates = [*first, *(one for one in others if one not in first)]
        place = memory_place(installed.providers(CONVERSATION), event, settings)
        memory = Memory(self._plugin, place, ctx.delivery_id)
        await self._remembered(ctx, memory)
        clock = Clock(self._clock, settings.max_seconds)
        asking = Asking(ctx, candidates, settings.model_seconds)
        tools: dict[str, OfferedTool] = {}
        if candidates and (candidates[0].description is None or candidates[0].description.tools):
            tools = await self._catalog.tools(installed, settings.tools, settings.language)
        consent = Consent(ctx, settings, texts, self._approvals, clock, self._now)
        tooling = Tooling(ctx, tools, consent.decide, settings.tool_seconds, settings.language)
        turn = Turn(ctx, settings, texts, memory, asking, tooling, clock)
        return _Work(turn, memory, asking, installed, candidates, tools, clock)

    async def _remembered(self, ctx: Context, memory: Memory) -> None:
        """Read the history; a memory that stays away costs two attempts, not the answer."""
        try:
            await memory.open()
        except LeaseLost:
            raise
        except JackfieldError as error:
            if error.retryable and ctx.attempt < ATTEMPTS_WITH_MEMORY:
                raise
            ctx.log.error("answering without memory: %s", error)

    async def _answer(self, ctx: Context, settings: Settings, work: _Work) -> None:
        assert self._plugin is not None
        event = ctx.event
        described = work.candidates[0].description
        context_tokens = described.context_tokens if described is not None else 0
        await fit(ctx, work.memory, work.asking, context_tokens, settings.compress_at, work.clock.left)
        vision = described is not None and described.vision
        user = await Incoming(ctx, self._plugin, vision).read(settings.prompt)
        system = model_pb2.ModelMessage(role=model_pb2.MODEL_ROLE_SYSTEM)
        hint = work.installed.hint(event.bot, settings.language)
        system.content.segments.add().text.text = system_prompt(settings.instructions, hint, ctx.now(), event)
        sender = event.sender.id if event.sender is not None else ""
        async with typing(ctx, shown=event.chat is not None and work.installed.can(event.bot, "send_typing")):
            await work.turn.run(system, user, work.tools, sender)

    async def _outcome(
        self, ctx: Context, settings: Settings, texts: Texts, work: _Work, run: Run
    ) -> tuple[str, str]:
        """Wait for the answer; whatever broke it off is told to the user. Returns outcome and reason."""
        turn = work.turn
        try:
            await run.task
        except asyncio.CancelledError:
            if run.stopped and not ctx.cancelled.is_set():
                await self._break_off(ctx, settings, work, texts("stopped"))
                return "stopped", ""
            await self._interrupted(ctx, turn, work.memory, texts)
            raise
        except ModelFailed as failure:
            error = failure.error
            ctx.log.error("no model answered: %s", error)
            turn.partial = turn.partial or failure.said
            text = "model_cut" if turn.partial else "model_failed"
            await self._break_off(ctx, settings, work, texts(text, reason=error.reason))
            return "failed", error.reason
        except Bound as bound:
            ctx.log.warning("the answer reached a bound: %s", bound)
            await self._break_off(ctx, settings, work, texts(bound.name, count=bound.count))
            return "bound", bound.name
        return "answered", ""

    async def _break_off(self, ctx: Context, settings: Settings, work: _Work, notice: str) -> None:
        """What was said so far stays, in the chat and in the memory, with a word about its end."""
        turn = work.turn
        if turn.partial and turn.reply is not None:
            await turn.reply.finish(f"{turn.partial}\n\n{notice}")
        else:
            await self._say(ctx, settings, work, notice)
        turn.settle(notice)

    async def _say(self, ctx: Context, settings: Settings, work: _Work, text: str) -> None:
        await Reply(ctx, "notice", settings.target, lambda: work.clock.now).finish(text)

    async def _interrupted(self, ctx: Context, turn: Turn, memory: Memory, texts: Texts) -> None:
        """Taken away for good by a new message: keep what was said. Otherwise the event comes again, and all with it."""
        reason = ctx.cancel_reason
        if reason is None or reason.reason != "CANCELLED" or not turn.said:
            return
        turn.settle(texts("cut"))
        try:
            async with asyncio.timeout(LAST_WORDS):
                await memory.append(turn.said)
        except (TimeoutError, JackfieldError) as error:
            ctx.log.warning("what was said before the interruption could not be kept: %s", error)

    def _tell_end(self, ctx: Context, turn: Turn, outcome: str, reason: str) -> None:
        usage = turn.spent.usage
        data = {
            "outcome": outcome,
            "reason": reason,
            "rounds": turn.spent.rounds,
            "answer": turn.answer[:SHOWN],
            "input_tokens": usage.input_tokens,
            "output_tokens": usage.output_tokens,
        }
        ctx.emit("ended", data)


def build(agent: Agent | None = None) -> Plugin:
    """The plugin, ready to run."""
    plugin = Plugin("agent", version=__version__)
    agent = agent or Agent()
    plugin.setup(agent.open)
    plugin.on("*")(agent.handle)

    @plugin.on("interaction.received")
    async def pressed(ctx: Context, event: Event) -> None:
        await agent.desk.pressed(ctx, event)

    commands: dict[str, Command] = {
        "stop": Desk.stop,
        "approve": Desk.approve,
        "deny": Desk.deny,
        "model": Desk.model,
        "usage": Desk.usage,
    }
    for name, command in commands.items():
        plugin.command(name)(_served(agent, command))
    return plugin


def _served(agent: Agent, command: Command) -> Callable[[CommandContext, str], Coroutine[Any, Any, str]]:
    async def answer(ctx: CommandContext, args: str) -> str:
        return await command(agent.desk, ctx, args)

    return answer
