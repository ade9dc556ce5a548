"""A plugin's configuration and the set of bots are resolved purely, with every problem beside its remedy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from jackfield_kernel.config import BotEntry, ConfigPinned, OriginKind, resolve_bots, resolve_plugin_config
from jackfield_kernel.manifest import Manifest, parse_manifest

CONFIG: dict[str, Any] = {
    "type": "object",
    "required": ["token"],
    "properties": {
        "token": {"type": "string", "secret": True, "env": "TOKEN", "minLength": 3},
        "port": {"type": "integer", "default": 1, "env": "PORT"},
        "hosts": {"type": "array", "items": {"type": "string"}, "env": "HOSTS"},
        "open": {"type": "boolean", "env": "OPEN"},
    },
}


def manifest(name: str = "wire", **more: Any) -> Manifest:
    adapter = {"platform": "wirechat", "intake": "acknowledged"}
    raw = {
        "manifest": 1,
        "name": name,
        "version": "1.0",
        "contract": 1,
        "kind": "adapter",
        "title": name,
        "description": name,
        "run": {"python": name},
        "provides": {**adapter, **more.pop("provides", {})},
        **more,
    }
    return parse_manifest(yaml.safe_dump(raw).encode(), Path("m.yaml"))


def test_each_key_has_its_strongest_source() -> None:
    environ = {"PORT": "9", "HOSTS": "a, b", "OPEN": "yes"}
    found = resolve_plugin_config(
        manifest(config=CONFIG), {"token": "file"}, {"token": "admin", "port": 5}, environ
    )
    assert found.values == {"token": "file", "port": 9, "hosts": ["a", "b"], "open": True}
    assert found.problems == ()
    assert found.origins["port"].kind is OriginKind.ENVIRONMENT
    assert found.redacted()["token"] == "***"
    with pytest.raises(ConfigPinned, match="environment PORT"):
        found.require_free("port")


def test_a_missing_key_says_both_ways_to_set_it() -> None:
    (problem,) = resolve_plugin_config(manifest(config=CONFIG), {}, {}, {}).problems
    assert problem.remedy == "Set plugins.wire.config.token in jackfield.yaml or TOKEN in the environment."


def test_wrong_values_name_their_source_and_never_show_a_secret() -> None:
    resolve = resolve_plugin_config
    (problem,) = resolve(manifest(config=CONFIG), {}, {}, {"TOKEN": "ab"}).problems
    assert (problem.file, problem.key) == ("environment", "TOKEN")
    assert "ab'" not in str(problem)
    (problem,) = resolve(manifest(config=CONFIG), {"token": "abc", "prot": 1}, {}, {}).problems
    assert problem.remedy == "Did you mean port?"
    (problem,) = resolve(manifest(config=CONFIG), {"token": "abc"}, {}, {"PORT": "high"}).problems
    assert str(problem) == "environment: PORT: expected a whole number. Set PORT to a whole number."


def test_bots_come_from_four_places() -> None:
    keys = {"type": "object", "required": ["key"], "properties": {"key": {"type": "string", "env": "KEY"}}}
    wire = manifest(bot_config=keys)
    web = manifest("page", provides={"platform": "web", "default_bots": [{"name": "web", "config": {}}]})
    entry = BotEntry(adapter="wire", config={"key": "k"})
    bots = resolve_bots([wire, web], {"one": entry}, {"two": entry}, {"KEY": "from-environment"})
    assert [(bot.name, bot.adapter, bot.source, bot.usable) for bot in bots] == [
        ("one", "wire", "file", True),
        ("two", "wire", "admin", True),
        ("web", "page", "default", True),
        ("wirechat", "wire", "environment", True),
    ]
    by_name = {bot.name: bot for bot in bots}
    assert by_name["wirechat"].config.values == {"key": "from-environment"}
    assert by_name["one"].config.values == {"key": "k"}, "a variable configures one bot, not each"


def test_disabling_wins_and_needs_no_adapter() -> None:
    web = manifest("page", provides={"default_bots": [{"name": "web", "config": {}}]})
    (bot,) = resolve_bots([web], {"web": BotEntry(enabled=False)}, {}, {})
    assert (bot.adapter, bot.enabled, bot.usable) == ("page", False, False)


def test_a_name_in_file_and_admin_is_a_problem_of_that_bot_alone() -> None:
    entry = BotEntry(adapter="wire")
    bots = resolve_bots([manifest()], {"one": entry, "two": entry}, {"one": entry}, {})
    assert [bot.usable for bot in bots] == [False, True]
    assert "jackfield bot remove one" in bots[0].problems[0].remedy


def test_an_unknown_adapter_is_named_with_a_suggestion() -> None:
    (bot,) = resolve_bots([manifest()], {"one": BotEntry(adapter="wier")}, {}, {})
    assert bot.problems[0].remedy == "Did you mean wire?"
    (bot,) = resolve_bots([manifest()], {"one": BotEntry()}, {}, {})
    assert bot.problems[0].remedy == "Add bots.one.adapter."
