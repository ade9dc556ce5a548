"""Text shown to people, in one or several languages."""

from __future__ import annotations

import re

from pydantic import ConfigDict, RootModel, model_validator
from pydantic_core import PydanticCustomError

_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*")


class Text(RootModel[dict[str, str]]):
    """A map of BCP 47 language tags to text; English is always there. A plain string means English."""

    model_config = ConfigDict(frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _from_plain(cls, value: object) -> object:
        if isinstance(value, str):
            return {"en": value}
        if problem := text_problem(value):
            raise PydanticCustomError("expected", "{expected}", {"expected": problem})
        return value

    def in_language(self, tag: str) -> str:
        """Return the text for `tag`, else for its primary language, else in English."""
        return self.root.get(tag) or self.root.get(tag.split("-")[0]) or self.root["en"]

    def __str__(self) -> str:
        return self.root["en"]


def text_problem(value: object) -> str | None:
    """Say what is wrong with an i18n text (a string, or a map with at least `en`); None when it is right."""
    if isinstance(value, str):
        return None
    if not isinstance(value, dict):
        return "a text, or a map of languages to texts such as {en: Echo, zh: 回声}"
    for tag, text in value.items():
        if not isinstance(tag, str) or not _LANGUAGE.fullmatch(tag):
            return f"a language tag such as en or zh-Hans in place of {tag!r}"
        if not isinstance(text, str):
            return f"a text for language {tag}"
    if "en" not in value:
        return "an English text (key en) among the languages"
    return None
