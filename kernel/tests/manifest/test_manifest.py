"""A manifest is read without running the plugin, and every mistake in it is named with its remedy."""

from __future__ import annotations

from pathlib import Path

import pytest
from jackfield_kernel.manifest import (
    ManifestInvalid,
    defaults_of,
    load_manifest,
    marks_of,
    parse_manifest,
    plain_schema,
)

ADAPTER = """\
manifest: 1
name: onebot
version: 0.1.0
contract: 1
kind: adapter
title: {en: Wire, zh: 线}
description: Carries one platform.
run: {python: jackfield_onebot}
provides:
  services: [jackfield.v1.Adapter]
  platform: onebot
  intake: unacknowledged
  dedup_horizon: 24h
  events: [message.received]
  platform_events: {heartbeat: {schema: {type: object}}}
  apis: [send_message]
  segments: {receive: [text, image], send: [text]}
  limits: {text: {max: 4096, unit: utf16}}
  actions: [{name: get_state, description: {en: Reads it}, danger: safe, params: {type: object}}]
  commands: [{name: help, aliases: [h], description: {en: Help}, usage: "[command]", bypass: true}]
  default_bots: [{name: web, config: {}}]
observes: [message.*]
config:
  type: object
  properties:
    token: {type: string, secret: true, env: WIRE_TOKEN, title: {en: Token, de: Zeichen}}
    port: {type: integer, default: 8421}
bot_config: {type: object, properties: {account: {type: string, unique: true}}}
grants: [reply, "kv:1MiB", "call:jackfield.v1.Adapter/SendMessage", "observe:message.*", "admin:viewer"]
limits: {memory: 256MiB, cpu: 1.0, pids: 64, files: 256}
restart: {backoff: 0.5s, backoff_max: 60s}
"""


def problems(text: str) -> dict[str, tuple[str, str]]:
    with pytest.raises(ManifestInvalid) as caught:
        parse_manifest(text.encode(), Path("plugin.yaml"))
    assert all(problem.file == "plugin.yaml" and problem.remedy for problem in caught.value.problems)
    return {problem.key: (problem.expected, problem.remedy) for problem in caught.value.problems}


def change(old: str, new: str) -> str:
    assert old in ADAPTER
    return ADAPTER.replace(old, new)


def test_a_full_manifest_is_read_with_its_units_texts_and_marks(tmp_path: Path) -> None:
    path = tmp_path / "jackfield-plugin.yaml"
    path.write_text(ADAPTER)
    manifest = load_manifest(path)
    assert (manifest.name, manifest.path) == ("onebot", path)
    assert manifest.limits.memory == 256 * 2**20
    assert manifest.provides.dedup_horizon == 86400
    assert manifest.title.in_language("zh-Hans") == "线"
    assert manifest.title.in_language("fr") == "Wire"
    assert str(manifest.description) == "Carries one platform."
    assert marks_of(manifest.config)["token"].secret
    assert marks_of(manifest.config)["token"].env == "WIRE_TOKEN"
    assert marks_of(manifest.bot_config)["account"].unique
    assert defaults_of(manifest.config) == {"port": 8421}
    assert plain_schema(manifest.config)["properties"]["token"] == {"type": "string", "title": "Token"}


ROUTE = """\
  routes:
    - {name: events, verify: {scheme: hmac-sha256, secrets: {key: %s}}%s}
"""


def test_a_route_lends_keys_of_a_bots_configuration() -> None:
    text = change("observes:", ROUTE % ("account", ", deadline: 5s, max_body: 64KiB") + "observes:")
    manifest = parse_manifest(text.encode(), Path("a"))
    route = manifest.provides.routes[0]
    assert (route.methods, route.deadline, route.max_body) == (["POST"], 5.0, 65536)
    assert manifest.lent == {"account"}


@pytest.mark.parametrize(
    ("key", "more"), [("token", ""), ("account", ", max_body: 1MiB"), ("account", ", chalenge: x")]
)
def test_a_route_that_cannot_be_is_refused(key: str, more: str) -> None:
    assert problems(change("observes:", ROUTE % (key, more) + "observes:"))


def test_the_digest_changes_with_the_file() -> None:
    first = parse_manifest(ADAPTER.encode(), Path("a"))
    assert first.digest == parse_manifest(ADAPTER.encode(), Path("b")).digest
    assert first.digest != parse_manifest(ADAPTER.encode() + b"# note\n", Path("a")).digest
    assert len(first.digest) == 64


@pytest.mark.parametrize(
    ("old", "new", "key", "remedy"),
    [
        ("name: onebot", "nmae: onebot", "nmae", "Did you mean name?"),
        ("name: onebot", "name: One Bot", "name", "Correct name; it is 'One Bot'."),
        ("version: 0.1.0", "version: 0.1", "version", 'Put it in quotes: "0.1".'),
        ("kind: adapter", "kind: adaptor", "kind", "Did you mean adapter?"),
        ("title: {en: Wire, zh: 线}", "title: {zh: 线}", "title", "Correct title; it is {'zh': '线'}."),
        (
            "{python: jackfield_onebot}",
            "{python: a, remote: true}",
            "run",
            "Keep the one way this plugin starts.",
        ),
        (
            "24h",
            "24 fortnights",
            "provides.dedup_horizon",
            "Correct provides.dedup_horizon; it is '24 fortnights'.",
        ),
        ("utf16", "utf-16", "provides.limits.text.unit", "Did you mean utf16?"),
        ("danger: safe", "dangr: safe", "provides.actions[0].dangr", "Did you mean danger?"),
        (
            "{schema: {type",
            "{schmea: {type",
            "provides.platform_events.heartbeat.schmea",
            "Did you mean schema?",
        ),
        ("[reply,", "[repyl,", "grants[0]", "Did you mean reply?"),
        ("kv:1MiB", "kv:lots", "grants[1]", "Correct grants[1]; it is 'kv:lots'."),
        ("secret: true", "secrte: true", "config.properties.token.secrte", "Did you mean secret?"),
        (
            "env: WIRE_TOKEN",
            "env: wire",
            "config.properties.token.env",
            "Use capitals, digits and underscores.",
        ),
        ("type: integer", "type: integr", "config.properties.port.type", ""),
        ("default: 8421", "default: high", "config.properties.port.default", ""),
        ("aliases: [h]", "aliases: [help]", "provides.commands", "Rename one of the commands help."),
        ("  intake: unacknowledged\n", "", "provides.intake", "Add provides.intake."),
        (
            "kind: adapter",
            "kind: handler",
            "provides.platform",
            "Remove provides.platform, or set kind: adapter.",
        ),
    ],
)
def test_each_mistake_names_its_key_and_remedy(old: str, new: str, key: str, remedy: str) -> None:
    found = problems(change(old, new))
    assert key in found
    assert remedy in found[key][1]


def test_several_mistakes_are_reported_together() -> None:
    text = change("contract: 1", "contract: 7").replace("256MiB", "much").replace("cpu: 1.0", "cpu: -1")
    assert set(problems(text)) == {"contract", "limits.memory", "limits.cpu"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [", "line 1"),
        ("- a", "a list"),
        ("name: a\nname: b", "duplicate key name in line 2"),
        ("a: &x [1]\nb: *x", "aliases"),
        ("? [1]\n: b", "a key must be a text"),
        ("\x00", "Correct the file"),
    ],
)
def test_text_that_is_no_yaml_table_is_refused_with_its_line(text: str, said: str) -> None:
    (expected, remedy), *_ = problems(text).values()
    assert expected == "YAML"
    assert said in remedy


def test_a_missing_file_is_a_problem_of_that_file(tmp_path: Path) -> None:
    with pytest.raises(ManifestInvalid, match=r"none\.yaml: expected a readable manifest"):
        load_manifest(tmp_path / "none.yaml")


def test_a_schema_may_not_fetch_another_one() -> None:
    remote = "https://example.org/schema.json"
    found = problems(change("{type: integer, default: 8421}", f"{{$ref: '{remote}'}}"))
    assert "none is fetched" in found["config.properties.port.$ref"][1]


def test_marks_work_on_top_level_keys_only() -> None:
    nested = "{type: object, properties: {deep: {type: string, secret: true}}}"
    found = problems(change("{type: integer, default: 8421}", nested))
    assert "top level" in found["config.properties.port.properties.deep.secret"][1]
