"""The command menu of the bot, from the catalog of installed plugins."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from jackfield.v1 import kernel_pb2
from jackfield_sdk import Bot, wellknown

from jackfield_telegram.convert.values import table, tables, text_of
from jackfield_telegram.wire import Api

# More than this is no menu; the platform takes 100.
MOST_COMMANDS = 50
LONGEST_DESCRIPTION = 256
_NAME = re.compile(r"[a-z0-9_]{1,32}")
_STOPPED = "STOPPED"

Commands = list[dict[str, str]]


async def publish_menu(bot: Bot, api: Api) -> None:
    """Sets the menu where it is not what the catalog says. Raises JackfieldError."""
    response = await bot.plugin.kernel(
        "GetCatalog", kernel_pb2.GetCatalogRequest(), kernel_pb2.GetCatalogResponse
    )
    running = [plugin for plugin in response.plugins if plugin.state != _STOPPED]
    wanted = commands_of(wellknown.struct_to_plain(plugin.manifest) for plugin in running)
    if not 0 < len(wanted) <= MOST_COMMANDS:
        return
    present = [
        {"command": text_of(one.get("command")), "description": text_of(one.get("description"))}
        for one in tables(await api.call("getMyCommands"))
    ]
    if present != wanted:
        await api.call("setMyCommands", commands=wanted)


def commands_of(manifests: Iterable[Mapping[str, Any]]) -> Commands:
    """The commands that are for everybody and that the platform can name, in order."""
    found: dict[str, str] = {}
    for manifest in manifests:
        for command in tables(table(manifest.get("provides")).get("commands")):
            name = text_of(command.get("name"))
            if _NAME.fullmatch(name) and not command.get("admin"):
                found.setdefault(name, _described(command.get("description")) or name)
    return [
        {"command": name, "description": words[:LONGEST_DESCRIPTION]} for name, words in sorted(found.items())
    ]


def _described(text: Any) -> str:
    return text_of(text) or text_of(table(text).get("en"))
