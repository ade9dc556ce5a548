"""Slash commands, from the catalog of installed plugins."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from jackfield.v1 import kernel_pb2
from jackfield_sdk import Bot, wellknown

from jackfield_discord.convert.values import table, tables, text_of
from jackfield_discord.rest import Rest

# What Discord takes of one application.
MOST_COMMANDS = 100
LONGEST_DESCRIPTION = 100
CHAT_INPUT, STRING = 1, 3
_NAME = re.compile(r"[-_a-z0-9]{1,32}")
_STOPPED = "STOPPED"


async def wanted(bot: Bot) -> dict[str, str]:
    """Name and description of the commands that the running plugins offer to everybody. Raises JackfieldError."""
    response = await bot.plugin.kernel(
        "GetCatalog", kernel_pb2.GetCatalogRequest(), kernel_pb2.GetCatalogResponse
    )
    running = [plugin for plugin in response.plugins if plugin.state != _STOPPED]
    return commands_of(wellknown.struct_to_plain(plugin.manifest) for plugin in running)


def commands_of(manifests: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Those that Discord can name, in order."""
    found: dict[str, str] = {}
    for manifest in manifests:
        for command in tables(table(manifest.get("provides")).get("commands")):
            name, words = text_of(command.get("name")), command.get("description")
            if _NAME.fullmatch(name) and not command.get("admin"):
                found.setdefault(name, text_of(words) or text_of(table(words).get("en")) or name)
    return dict(sorted(found.items())[:MOST_COMMANDS])


def native(name: str, description: str) -> dict[str, Any]:
    """One command as Discord registers it: everything after its name is one text."""
    option = {"type": STRING, "name": "args", "description": "What follows the command", "required": False}
    return {
        "name": name,
        "type": CHAT_INPUT,
        "description": description[:LONGEST_DESCRIPTION],
        "options": [option],
    }


async def register(bot: Bot, rest: Rest, application: str, names: Mapping[str, str]) -> None:
    """Registers what is missing or different, and takes back what an earlier start registered and nobody offers any more.

    Commands of other origin stay. Raises JackfieldError.
    """
    path = ("applications", application, "commands")
    present = {text_of(one.get("name")): one for one in tables(await rest.get(*path))}
    key = f"slash/{application}"
    ours = _texts(await bot.plugin.kv.get_text(key))
    await bot.plugin.kv.put(key, json.dumps(sorted({*ours, *names})))
    for name, description in names.items():
        command = native(name, description)
        if any(present.get(name, {}).get(part) != command[part] for part in ("description", "type")):
            await rest.request("POST", *path, body=command)
    for name in ours:
        if name not in names and name in present:
            await rest.request("DELETE", *path, text_of(present[name].get("id")))
    await bot.plugin.kv.put(key, json.dumps(sorted(names)))


def _texts(text: str) -> list[str]:
    try:
        found = json.loads(text or "[]")
    except ValueError:
        return []
    return [one for one in found if isinstance(one, str)] if isinstance(found, list) else []
