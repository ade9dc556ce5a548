"""Slash commands from the catalog."""

from __future__ import annotations

import pytest
from discord_stage import stage
from jackfield_sdk import Message, ReplyReference

# A local server and the fake kernel for each test: together more than `make test-fast` has time for.
pytestmark = pytest.mark.slow


def offer(discord, *commands: dict) -> None:
    """A plugin that offers these is installed."""
    del discord.kernel.state.catalog.plugins[:]
    plugin = discord.kernel.state.catalog.plugins.add(name="p", state="ACTIVE")
    plugin.manifest.update({"provides": {"commands": list(commands)}})


async def test_commands_of_plugins_are_registered_and_those_of_others_stay() -> None:
    async with stage(open_bot=False) as discord:
        theirs = {"id": "5", "name": "theirs", "description": "Of the operator", "type": 1}
        discord.server.methods.commands.append(theirs)
        offer(
            discord, {"name": "dice", "description": {"en": "Rolls"}}, {"name": "old", "description": "Goes"}
        )
        await discord.open(slash_commands=True)
        await discord.server.request("POST", "commands", 2)
        await discord.kernel.close_bot("one")
        offer(discord, {"name": "dice", "description": {"en": "Rolls"}})
        await discord.open(slash_commands=True)
        await discord.server.request("DELETE", "commands")
        assert {one["name"] for one in discord.server.methods.commands} == {"theirs", "dice"}
        assert len(discord.server.made("POST", "commands")) == 2


async def test_a_command_is_deferred_arrives_as_text_and_its_answer_follows_up() -> None:
    async with stage(open_bot=False) as discord:
        offer(discord, {"name": "dice", "description": "Rolls"})
        await discord.open(slash_commands=True)
        options = [{"type": 3, "name": "args", "value": "2 d6"}]
        used = await discord.server.interact(2, {"name": "dice", "options": options})
        await discord.server.request("POST", "callback")
        assert discord.server.methods.deferred[used["id"]] == 5
        (event,) = await discord.events()
        assert (event.text, event.addresses_bot, event.sender.id) == ("/dice 2 d6", True, "2001")
        reference = ReplyReference(message_id=event.message_id, reply_context=event.reply_context)
        reply = {"chat": event.chat, "message": Message("7"), "reference": reference}
        await discord.call("ReplyMessage", quote_origin=True, **reply)
        assert discord.server.made("POST", "webhooks/")[0].body["content"] == "7"
        assert not discord.server.made("POST", "channels/3001/messages")
