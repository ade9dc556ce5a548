"""The words of a notice."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

SHOWN = 5
"""So many different things of one kind are named; the others are counted."""

LONGEST = 200
"""Characters of a line: what is counted has to fit under one key."""

_HEADS = {
    "en": {
        "plugin_parked": "Plugins parked",
        "bot_failed": "Bots failed",
        "dead_letter": "Dead letters",
        "journal_stuck": "The journal was stuck",
        "lane_full": "Messages dropped: a conversation has too many waiting",
        "bot_pushed_back": "Bots that have to wait, because their handlers do not keep up",
    },
    "zh": {
        "plugin_parked": "插件已停用",
        "bot_failed": "机器人出错",
        "dead_letter": "死信",
        "journal_stuck": "日志写入受阻",
        "lane_full": "会话积压过多，已丢弃消息",
        "bot_pushed_back": "处理不及，机器人暂缓接收",
    },
}
_MORE = {"en": "and {count} more", "zh": "另有 {count} 项"}
_HINTS = {
    "plugin_parked": "jackfield status",
    "bot_failed": "jackfield bot list",
    "dead_letter": "jackfield dead list",
    "journal_stuck": "jackfield doctor",
    "lane_full": "jackfield top",
    "bot_pushed_back": "jackfield top",
}


def line_of(occasion: str, values: Mapping[str, Any]) -> str:
    """What is alike has the same line, so that it can be counted."""
    reason, message = str(values.get("reason", "")), str(values.get("message", ""))
    if occasion == "plugin_parked":
        return _joined(str(values.get("plugin", "")), message, reason)
    if occasion == "bot_failed":
        return _joined(str(values.get("bot", "")), message, reason)
    if occasion == "dead_letter":
        # The message of a dead letter may quote a chat: the reason alone is told.
        return _joined(str(values.get("handler", "")), "", reason)
    if occasion == "lane_full":
        return _joined(
            f"{values.get('lane', '')} → {values.get('handler', '')}",
            f"{values.get('dropped', 0)}",
            "LANE_FULL",
        )
    if occasion == "bot_pushed_back":
        return _joined(str(values.get("bot", "")), f"{values.get('events', 0)}", "OVERLOADED")
    return f"{values.get('seconds', 0)} s"


def notice(counted: Mapping[str, Mapping[str, int]], language: str) -> str:
    """The text for what happened: occasion, then line and how often."""
    return "\n".join(_section(occasion, lines, language) for occasion, lines in counted.items() if lines)


def _section(occasion: str, lines: Mapping[str, int], language: str) -> str:
    head = _HEADS[language].get(occasion, occasion)
    shown = list(lines.items())[:SHOWN]
    parts = [f"⚠ {head}: {sum(lines.values())}", *_lines(shown)]
    if len(lines) > SHOWN:
        parts.append("- " + _MORE[language].format(count=len(lines) - SHOWN))
    return "\n".join([*parts, f"  → {_HINTS[occasion]}"])


def _lines(shown: Iterable[tuple[str, int]]) -> Iterable[str]:
    return (f"- {line}" + (f" (× {count})" if count > 1 else "") for line, count in shown)


def _joined(subject: str, message: str, reason: str) -> str:
    text = f"{subject}: {message}" if message else subject
    return (f"{text} [{reason}]" if reason else text)[:LONGEST]
