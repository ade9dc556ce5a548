"""The handler: finds the command in a message and answers it, or has its plugin answer."""

from __future__ import annotations

from typing import Any

from jackfield.v1 import command_pb2, kernel_pb2
from jackfield_sdk import (
    Cancelled,
    Context,
    Event,
    InvalidArgument,
    JackfieldError,
    LeaseLost,
    Message,
    NotFound,
    Plugin,
    PluginContext,
    convert,
)

from jackfield_command import __version__
from jackfield_command.listing import REJECTED, Command, Listing
from jackfield_command.own import ANSWERS, unknown_text
from jackfield_command.parsing import command_in
from jackfield_command.request import OWN, Request
from jackfield_command.texts import Texts

INVOKE = "/jackfield.v1.Commands/Invoke"
_DEFAULT_PREFIX = "/"
ADMIN, PASS = "admin", "pass"


class Desk:
    """Answers messages that begin with the prefix; any other is left alone."""

    def __init__(self) -> None:
        self._plugin: PluginContext | None = None

    async def open(self, plugin: PluginContext) -> None:
        """The configuration is read from here at each message, so that a change holds for the next one."""
        self._plugin = plugin

    async def handle(self, ctx: Context, event: Event) -> None:
        """Answer one message."""
        request = await self._request(ctx, event)
        if request is None:
            return
        typed = request.typed.name
        command = request.listing.find(typed) or request.listing.beginning(typed, request.hidden)
        if command is None and self._config.get("unknown") == PASS:
            # The chain goes on where the rule says so: the text is for whoever comes next.
            return
        ctx.stop()
        if command is None:
            await ctx.reply(unknown_text(request, typed))
            return
        if not request.may(command):
            await ctx.reply(request.texts("refused", command=request.shown(command.name)))
            return
        if command.busy == REJECTED and ctx.lane_busy:
            await ctx.reply(request.texts("busy", command=request.shown(command.name)))
            return
        # Never the arguments: they may be a code or a secret.
        ctx.emit("invoked", {"command": command.name, "plugin": command.plugin or ctx.plugin})
        if command.plugin:
            await self._invoke(ctx, command, request)
        else:
            await ctx.reply(ANSWERS[command.name](request))

    @property
    def _config(self) -> dict[str, Any]:
        return self._plugin.config if self._plugin is not None else {}

    async def _request(self, ctx: Context, event: Event) -> Request | None:
        config = self._config
        prefixes = config.get("prefixes") or [config.get("prefix") or _DEFAULT_PREFIX]
        found = command_in(event.message, prefixes)
        if found is None:
            return None
        prefix, typed = found
        catalog = await ctx.kernel(
            "GetCatalog", kernel_pb2.GetCatalogRequest(), kernel_pb2.GetCatalogResponse
        )
        sender = f"{event.bot}:{event.sender.id}" if event.sender is not None else ""
        return Request(
            event=event,
            typed=typed,
            prefix=prefix,
            is_admin=ctx.rule_config.get("tier") == ADMIN
            or (bool(sender) and sender in (config.get("admins") or ())),
            user_commands=frozenset(config.get("user_commands") or ()),
            texts=Texts(ctx.rule_config.get("language") or config.get("language") or ""),
            listing=Listing(OWN, catalog),
            catalog=catalog,
        )

    async def _invoke(self, ctx: Context, command: Command, request: Request) -> None:
        """Have the plugin run its command; a failure is told to the user and ends there."""
        invoke = command_pb2.InvokeRequest(
            name=command.name,
            args=request.typed.args,
            arg_list=request.typed.arg_list,
            event=convert.event_to_proto(request.event),
            locale=request.texts.language,
        )
        try:
            answer = await ctx.call(
                INVOKE,
                invoke,
                command_pb2.InvokeResponse,
                target=command.plugin,
                key=f"command/{command.name}",
            )
        except (Cancelled, LeaseLost):
            raise
        except JackfieldError as error:
            ctx.log.warning("command %s of %s failed: %s", command.name, command.plugin, error)
            await ctx.reply(_failure(command, request, error))
            return
        if answer.reply.segments:
            message: Message = convert.message_to_plain(answer.reply)
            await ctx.reply(message)


def _failure(command: Command, request: Request, error: JackfieldError) -> str:
    """What the user is told: the plugin's own words only for wrong arguments, where they are meant so."""
    texts, shown = request.texts, request.shown(command.name)
    if isinstance(error, InvalidArgument):
        return f"{error.message}\n{texts('usage', usage=request.usage_of(command))}"
    if isinstance(error, NotFound) or error.retryable:
        return texts("unavailable", command=shown)
    return texts("failed", command=shown, reason=error.reason)


def build() -> Plugin:
    """The plugin, ready to run."""
    plugin = Plugin("command", version=__version__)
    desk = Desk()
    plugin.setup(desk.open)
    plugin.on("message.received")(desk.handle)
    return plugin
