"""Where a job's result goes."""

from __future__ import annotations

from jackfield.v1 import kernel_pb2
from jackfield_sdk import Chat, InvalidArgument, NotFound, PluginContext, Target

from jackfield_scheduler.job import Job
from jackfield_scheduler.store import Store


class Targets:
    """Resolves `origin`, `home`, `<bot or platform>` (its home) and `<bot or platform>:<type>:<chat>`."""

    def __init__(self, plugin: PluginContext, store: Store) -> None:
        self._plugin = plugin
        self._store = store

    async def of(self, job: Job, text: str) -> Target:
        """The chat. Raises InvalidArgument and NotFound, which say what to do."""
        if text == "origin":
            return Target(bot=job.bot, chat=Chat.parse(job.chat))
        name, _, chat = text.partition(":")
        bot = job.bot if name == "home" else await self._bot(name)
        if not chat:
            return Target(bot=bot, chat=Chat.parse(await self.home(bot)))
        try:
            return Target(bot=bot, chat=Chat.parse(chat))
        except ValueError as error:
            raise InvalidArgument(str(error), metadata={"field": "target"}) from error

    async def home(self, bot: str) -> str:
        """The home channel of a bot: the configuration's, else the one chosen by /sethome. Raises NotFound."""
        home = self.pinned(bot) or await self._store.home(bot)
        if not home:
            raise NotFound(
                f"the bot {bot!r} has no home channel",
                remedy="Write /sethome in the chat that shall be it, or set `homes` in the configuration.",
            )
        return home

    def pinned(self, bot: str) -> str:
        """The home channel that the configuration sets; empty when it sets none."""
        return next(
            (entry["chat"] for entry in self._plugin.config.get("homes") or () if entry["bot"] == bot), ""
        )

    async def _bot(self, name: str) -> str:
        request = kernel_pb2.GetCatalogRequest()
        catalog = await self._plugin.kernel("GetCatalog", request, kernel_pb2.GetCatalogResponse)
        if any(bot.name == name for bot in catalog.bots):
            return name
        carried = [bot.name for bot in catalog.bots if bot.platform == name]
        if len(carried) == 1:
            return carried[0]
        if carried:
            raise InvalidArgument(
                f"{name!r} has several bots: {', '.join(carried)}",
                remedy="Name the bot.",
                metadata={"field": "target"},
            )
        raise NotFound(f"there is no bot or platform {name!r}", remedy="See `jackfield bot list`.")
