"""What the operator set: the plugin's configuration, with the rule's on top."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from jackfield_agent.prompts import check_template

DEFAULT_PROMPT = "{event_summary}"


@dataclass(frozen=True, slots=True)
class Settings:
    """One turn's settings; names and meanings as in the manifest. Times in seconds."""

    models: tuple[str, ...] = ()
    instructions: str = ""
    tools: tuple[str, ...] = ("*",)
    approval: str = "destructive"
    approval_seconds: int = 600
    max_rounds: int = 16
    max_seconds: int = 900
    max_tokens: int = 500_000
    model_seconds: float = 90.0
    tool_seconds: float = 300.0
    compress_at: float = 0.6
    per_user: bool = False
    stop: str = "asker"
    admins: tuple[str, ...] = ()
    language: str = "en"
    prompt: str = DEFAULT_PROMPT
    target: str = "chat"

    @classmethod
    def of(cls, config: Mapping[str, Any], rule_config: Mapping[str, Any]) -> Settings:
        """Both together. Raises InvalidArgument for a prompt that names what no event has."""
        merged = {**config, **rule_config}
        known = {field.name for field in fields(cls)}
        values: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in merged.items()
            if name in known and value is not None
        }
        settings = cls(**values)
        check_template(settings.prompt)
        return settings

    def is_admin(self, bot: str, sender: str) -> bool:
        """Whether this person may answer every question."""
        return f"{bot}:{sender}" in self.admins
