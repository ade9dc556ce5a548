"""The handler: takes a message through the stages. Each stage is a function of its own module."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from random import Random

from jackfield_sdk import (
    Context,
    Event,
    InvalidArgument,
    JackfieldError,
    Message,
    MessageReceived,
    Plugin,
    PluginContext,
    Retry,
)

from jackfield_pipeline import __version__
from jackfield_pipeline.access import admitted
from jackfield_pipeline.answering import Outcome, answer
from jackfield_pipeline.failing import told
from jackfield_pipeline.limiting import Limiter
from jackfield_pipeline.quoting import combined, whole
from jackfield_pipeline.settings import Settings
from jackfield_pipeline.texts import Texts
from jackfield_pipeline.trigger import meant
from jackfield_pipeline.words import INCOMING, filtered, ignored

MOST_KEPT = 64
TRIGGER = "trigger"


class Refused(Exception):
    """A stage ends the way of a message; `reply` is what the user is told, if anything."""

    def __init__(self, stage: str, reply: str = "") -> None:
        super().__init__(stage)
        self.stage = stage
        self.reply = reply


class Pipeline:
    """Handles messages. `now` in seconds since 1970; `sleep` takes seconds."""

    def __init__(
        self,
        now: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._sleep = sleep
        self._limiter = Limiter(now)
        self._plugin: PluginContext | None = None
        self._kept: dict[str, Settings] = {}

    async def open(self, plugin: PluginContext) -> None:
        """Before the first message: say which pipelines cannot work."""
        self._plugin = plugin
        found: list[JackfieldError] = []
        for entry in plugin.config.get("pipelines") or ():
            try:
                Settings.of(plugin.config, {"pipeline": entry["name"]})
            except InvalidArgument as error:
                found.append(
                    InvalidArgument(f"pipeline {entry['name']}: {error.message}", remedy=error.remedy)
                )
        plugin.warn(found)

    async def handle(self, ctx: Context, event: Event) -> None:
        """Take one message through the stages."""
        if not isinstance(event.payload, MessageReceived):
            raise InvalidArgument(
                f"a pipeline takes message.received, not {event.type}",
                remedy=f"Change the event of the rule {ctx.rule_id}, or its handler.",
                metadata={"field": "event"},
            )
        settings = await self._settings(ctx)
        random = ctx.random()
        try:
            question = await self._question(ctx, settings, random)
        except Refused as refused:
            await self._refuse(ctx, settings, refused)
            return
        if not settings.responder.plugin:
            # The next rule of the chain answers.
            ctx.emit("ended", {"pipeline": settings.name, "outcome": "passed", "stage": "", "reason": ""})
            return
        send = settings.send
        delay = random.uniform(send.delay_min, send.delay_max) if send.delay_max else 0.0
        self._end(ctx, settings, await answer(ctx, settings, question, delay, self._sleep))

    async def _settings(self, ctx: Context) -> Settings:
        """The settings of the rule. What cannot work is a dead letter that names it, and a word to the user."""
        assert self._plugin is not None
        config, rule = self._plugin.config, ctx.rule_config
        key = json.dumps([config, rule], sort_keys=True)
        found = self._kept.get(key)
        if found is None:
            try:
                found = Settings.of(config, rule)
            except JackfieldError as error:
                texts = Texts(str(config.get("language") or ""))
                await ctx.reply(told(error, Settings().errors, texts), key="unset")
                raise
            if len(self._kept) >= MOST_KEPT:
                self._kept.clear()
            self._kept[key] = found
        return found

    async def _question(self, ctx: Context, settings: Settings, random: Random) -> Message:
        """The message as the responder is to read it. Raises Refused, and Retry where it has to wait."""
        event = ctx.event
        said = whole(event, ctx.merged)
        question = meant(said, event, settings.trigger, random)
        if question is None:
            raise Refused(TRIGGER)
        if not admitted(event, settings.access):
            raise Refused("access")
        if ignored(question, settings.ignore):
            raise Refused("ignore")
        question = combined(question, settings.responder.quote)
        allowed = filtered(question, settings.filter, INCOMING)
        if allowed is None or (allowed != question and not settings.responder.plugin):
            # The next rule would see the message as it was.
            raise Refused("filter", settings.filter.reply)
        wait = await self._limiter.wait_for(ctx, settings.name or ctx.rule_id, settings.rate)
        if wait is None:
            raise Refused("rate", settings.rate.reply)
        if wait > 0:
            raise Retry(wait, "the rate limit of the pipeline")
        return allowed

    async def _refuse(self, ctx: Context, settings: Settings, refused: Refused) -> None:
        ctx.emit(
            "ended",
            {"pipeline": settings.name, "outcome": "refused", "stage": refused.stage, "reason": ""},
        )
        if refused.stage != TRIGGER or not settings.responder.plugin:
            # A message that is not for this bot's pipeline may be for a rule behind it; any other refusal is final.
            ctx.stop()
        if refused.reply:
            await ctx.reply(refused.reply, key="refused")

    def _end(self, ctx: Context, settings: Settings, outcome: Outcome) -> None:
        ctx.stop()
        ctx.emit(
            "ended",
            {"pipeline": settings.name, "outcome": outcome.name, "stage": "", "reason": outcome.reason},
        )


def build(pipeline: Pipeline | None = None) -> Plugin:
    """The plugin, ready to run."""
    plugin = Plugin("pipeline", version=__version__)
    pipeline = pipeline or Pipeline()
    plugin.setup(pipeline.open)
    plugin.on("*")(pipeline.handle)
    return plugin
