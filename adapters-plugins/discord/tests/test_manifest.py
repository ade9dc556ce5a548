"""What the manifest says is what the code does."""

from pathlib import Path

import jackfield_discord
import yaml
from jackfield_discord.actions import ACTIONS
from jackfield_discord.adapter import Discord
from jackfield_discord.commands import commands_of
from jackfield_discord.convert.events import PLATFORM_EVENTS
from jackfield_sdk.adapter import Adapter

PROVIDES = yaml.safe_load((Path(jackfield_discord.__file__).parent / "jackfield-plugin.yaml").read_text())[
    "provides"
]


def test_every_declared_method_exists_and_every_method_is_declared() -> None:
    derived = {"reply_message", "stream_reply", "get_capabilities"}
    life = {"setup", "teardown", "open_bot", "close_bot", "handle_request"}
    public = {name for name in vars(Adapter) if not name.startswith("_") and callable(getattr(Adapter, name))}
    written = {name for name in public if getattr(Discord, name) is not getattr(Adapter, name)}
    assert set(PROVIDES["apis"]) == (written - life) | derived
    assert set(Discord.unsupported) == public - written - life - derived


def test_the_declared_actions_and_events_are_those_of_the_code() -> None:
    assert {action["name"] for action in PROVIDES["actions"]} == set(ACTIONS)
    assert {name.lower() for name in PLATFORM_EVENTS} <= set(PROVIDES["platform_events"])


def test_commands_come_from_the_catalog() -> None:
    manifest = {
        "provides": {
            "commands": [
                {"name": "help", "description": {"en": "Helps"}},
                {"name": "Bad Name"},
                {"name": "secret", "admin": True},
            ]
        }
    }
    assert commands_of([manifest, {}, {"provides": 7}]) == {"help": "Helps"}
