"""Without a key it is not started; with one in the environment it is."""

from __future__ import annotations

from importlib import resources

import yaml


def test_the_key_alone_is_needed_and_secret() -> None:
    text = (resources.files("jackfield_model_openai") / "jackfield-plugin.yaml").read_text()
    config = yaml.safe_load(text)["config"]
    assert config["required"] == ["api_key"]
    assert config["properties"]["api_key"]["env"] == "OPENAI_API_KEY"
    secret = {name for name, value in config["properties"].items() if value.get("secret")}
    assert secret == {"api_key", "fallback_keys"}
