"""The manifest says what the adapter does."""

from __future__ import annotations

from importlib.resources import files

import yaml
from jackfield_sdk import Adapter
from jackfield_webchat.adapter import WebChat


def test_the_manifest_lists_exactly_what_is_written() -> None:
    text = files("jackfield_webchat").joinpath("jackfield-plugin.yaml").read_text()
    provides = yaml.safe_load(text)["provides"]
    life = {"setup", "teardown", "open_bot", "close_bot"}
    written = {name for name in vars(WebChat) if not name.startswith("_") and callable(vars(WebChat)[name])}
    derived = {"reply_message", "get_capabilities"}
    assert set(provides["apis"]) == (written - life) | derived
    assert all(hasattr(Adapter, name) for name in provides["apis"])
    assert provides["default_bots"] == [{"name": "web", "config": {}}]
