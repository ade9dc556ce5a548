"""Without a key it is not started; with one in the environment it is."""

from __future__ import annotations

from importlib import resources

import yaml


def test_the_key_alone_is_needed_and_secret() -> None:
    text = (resources.files("jackfield_model_anthropic") / "jackfield-plugin.yaml").read_text()
    config = yaml.safe_load(text)["config"]
    assert config["required"] == ["api_key"]
    properties = config["properties"]
    assert {name for name, value in properties.items() if value.get("secret")} == {"api_key"}
    named = {name: value["env"] for name, value in properties.items() if "env" in value}
    assert named == {
        "api_key": "ANTHROPIC_API_KEY",
        "base_url": "ANTHROPIC_BASE_URL",
        "model": "ANTHROPIC_MODEL",
    }
