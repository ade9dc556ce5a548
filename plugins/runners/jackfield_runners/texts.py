"""What this plugin itself says to users, in the languages it speaks."""

from __future__ import annotations

_TEXTS: dict[str, dict[str, str]] = {
    "stopped": {"en": "(stopped)", "zh": "（已停止）"},
    "stopping": {"en": "Stopped.", "zh": "已停止。"},
    "nothing_runs": {"en": "Nothing is being written here.", "zh": "这里没有正在生成的回答。"},
    "failed": {
        "en": "I could not get an answer ({reason}). Please try again later.",
        "zh": "无法获得回答（{reason}），请稍后再试。",
    },
    "late": {
        "en": "The answer takes too long ({reason}). Please ask again later.",
        "zh": "回答耗时过长（{reason}），请稍后再问。",
    },
    "unset": {
        "en": "I am not set up correctly ({reason}). The operator finds the reason with: jackfield dead list",
        "zh": "我的配置有误（{reason}）。管理员可运行 jackfield dead list 查看原因。",
    },
    "cut": {"en": "(the answer broke off here: {reason})", "zh": "（回答在此处中断：{reason}）"},
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
