"""`jackfield status`."""

from __future__ import annotations

from collections.abc import Iterable

from jackfield.v1 import admin_pb2, frame_pb2

from .client import admin
from .lazy import new_app
from .options import Data, Json
from .show import age, brief, print_errors, print_facts, print_json, print_table, say, seconds, since, size

app = new_app()


@app.command(epilog="Example: jackfield status --json")
def status(data: Data = None, json: Json = False) -> None:
    """Show what runs, what waits and what is wrong."""
    with admin(data) as stub:
        found = stub.GetStatus(admin_pb2.GetStatusRequest()).status
    if json:
        print_json(found)
        return
    settled = "" if found.settled else ", still starting"
    print_facts(
        (
            ("kernel", f"{found.kernel_version}, pid {found.pid}, up {since(found.start_time)}{settled}"),
            ("data", found.data_dir),
            ("events", _events(found.bus)),
            ("deliveries", _deliveries(found.bus)),
            ("disk", _storage(found.storage)),
        )
    )
    shown, idle = wanted(found.plugins)
    print_table(PLUGIN_COLUMNS, map(plugin_row, shown), empty="" if idle else "\nNo plugins are installed.")
    for line in idle:
        say(line)
    if found.bots:
        print_table(BOT_COLUMNS, map(bot_row, found.bots))
    if found.problems:
        say("Needs attention:")
        print_errors(found.problems)


IDLE = {
    "NO_BOTS": "Without a bot",
    "NOT_CONFIGURED": "Not configured",
    "DISABLED": "Switched off",
}
"""Reasons of plugins that stand still because nobody needs them: named in a line each, `plugin list` says more."""


def wanted(
    plugins: Iterable[admin_pb2.PluginStatus],
) -> tuple[list[admin_pb2.PluginStatus], list[str]]:
    """The plugins that are meant to run, and lines that name the others by why they are not."""
    shown = []
    idle: dict[str, list[str]] = {}
    for plugin in plugins:
        if plugin.state == "STOPPED" and plugin.reason.reason in IDLE:
            idle.setdefault(plugin.reason.reason, []).append(plugin.name)
        else:
            shown.append(plugin)
    return shown, [f"{words}: {', '.join(idle[reason])}" for reason, words in IDLE.items() if reason in idle]


PLUGIN_COLUMNS = ("plugin", "state", "since", "why or where")
BOT_COLUMNS = ("bot", "state", "adapter", "why or where")


def plugin_row(plugin: admin_pb2.PluginStatus) -> tuple[str, ...]:
    """A plugin on one line."""
    return plugin.name, plugin.state, since(plugin.since), why_or_where(plugin)


def why_or_where(one: admin_pb2.PluginStatus | admin_pb2.BotStatus) -> str:
    """Why it does not work, and what it can be reached at."""
    lines = [brief(one.reason)] if one.HasField("reason") else []
    return "\n".join(lines + [f"{address.label}: {address.url}" for address in one.addresses])


def bot_row(bot: admin_pb2.BotStatus) -> tuple[str, ...]:
    """A bot on one line."""
    return bot.name, state_of(bot), bot.adapter, why_or_where(bot)


def state_of(bot: admin_pb2.BotStatus) -> str:
    """The word for a bot's state."""
    if not bot.enabled:
        return "STOPPED"
    word = frame_pb2.BotState.Name(bot.state).removeprefix("BOT_STATE_")
    return "unknown" if word == "UNSPECIFIED" else word


def _storage(storage: admin_pb2.StorageStatus) -> str:
    parts = [f"journal {size(storage.journal_bytes)}"] if storage.journal_bytes else []
    parts += [f"{storage.blobs} blobs {size(storage.blob_bytes)}"] if storage.blobs else []
    return ", ".join(parts)


def _events(bus: admin_pb2.BusStatus) -> str:
    parts = [f"{bus.accepted} accepted"]
    parts += [f"{bus.unrouted} matched no rule"] if bus.unrouted else []
    parts += [f"{bus.duplicates} known already"] if bus.duplicates else []
    parts += [f"{bus.waiting} wait for rules"] if bus.waiting else []
    return ", ".join(parts)


def _deliveries(bus: admin_pb2.BusStatus) -> str:
    parts = [f"{bus.done} done", f"{bus.ready} ready", f"{bus.leased} at handlers"]
    parts += [f"{bus.lanes} lanes busy"] if bus.lanes else []
    parts += [f"{bus.dropped} dropped"] if bus.dropped else []
    parts += [f"{bus.dead} dead letters (jackfield dead list)"] if bus.dead else []
    parts += [f"the oldest waits {age(seconds(bus.oldest))}"] if bus.ready else []
    return ", ".join(parts)
