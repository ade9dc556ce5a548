"""What this plugin itself says to users, in the languages it speaks."""

from __future__ import annotations

_TEXTS: dict[str, dict[str, str]] = {
    "failed": {
        "en": "I could not get an answer ({reason}). Please try again later.",
        "zh": "无法获得回答（{reason}），请稍后再试。",
    },
    "withheld": {"en": "(the answer was withheld)", "zh": "（回答已被拦截）"},
    "stopped": {"en": "(stopped)", "zh": "（已停止）"},
    "cut": {"en": "(the answer broke off here)", "zh": "（回答在此处中断）"},
    "empty": {"en": "(there was no answer)", "zh": "（没有回答）"},
}


class Texts:
    """The texts in one language (BCP 47), English where it has none."""

    def __init__(self, language: str = "") -> None:
        self.language = language.partition("-")[0].lower() or "en"

    def __call__(self, name: str, **values: object) -> str:
        """One text with its values filled in."""
        texts = _TEXTS[name]
        return texts.get(self.language, texts["en"]).format(**values)
