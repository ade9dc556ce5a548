"""What this plugin says, in the languages it speaks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

ENGLISH = "en"

_TEXTS: dict[str, dict[str, str]] = {
    "help_title": {"en": "Commands:", "zh": "命令："},
    "help_more": {"en": "{prefix}help <command> tells more.", "zh": "{prefix}help <命令> 查看详情。"},
    "usage": {"en": "Usage: {usage}", "zh": "用法：{usage}"},
    "aliases": {"en": "Also: {names}", "zh": "别名：{names}"},
    "offered_by": {"en": "Offered by {plugin}", "zh": "由 {plugin} 提供"},
    "admins_only": {"en": "For administrators only", "zh": "仅限管理员"},
    "unknown": {"en": "There is no command {command}.", "zh": "没有命令 {command}。"},
    "nearest": {"en": "Did you mean {names}?", "zh": "你是想用 {names} 吗？"},
    "see_help": {"en": "{prefix}help lists all.", "zh": "发送 {prefix}help 查看全部命令。"},
    "refused": {"en": "{command} is for administrators only.", "zh": "{command} 仅限管理员使用。"},
    "busy": {
        "en": "{command} has to wait: an answer is being written. Wait for it, or /stop.",
        "zh": "{command} 需要等待：正在生成回答。请等待其完成，或发送 /stop。",
    },
    "collisions": {"en": "Commands with one name:", "zh": "重名的命令："},
    "collision": {
        "en": "  {name} is {kept}; the other: {other}",
        "zh": "  {name} 指向 {kept}；另一个：{other}",
    },
    "failed": {"en": "{command} failed ({reason}).", "zh": "{command} 执行失败（{reason}）。"},
    "unavailable": {"en": "{command} is not available right now.", "zh": "{command} 暂时不可用。"},
    "plugins": {"en": "Plugins", "zh": "插件"},
    "bots": {"en": "Bots", "zh": "机器人"},
    "none": {"en": "none", "zh": "无"},
    "disabled": {"en": "off", "zh": "已停用"},
    "bot": {"en": "Bot", "zh": "机器人"},
    "chat": {"en": "Chat", "zh": "会话"},
    "thread": {"en": "Thread", "zh": "话题"},
    "sender": {"en": "Sender", "zh": "发送者"},
    "lane": {"en": "Lane", "zh": "队列"},
    "help": {"en": "Lists the commands, or explains one", "zh": "列出命令或说明某个命令"},
    "help_usage": {"en": "[command]", "zh": "[命令]"},
    "status": {"en": "Shows plugins and bots", "zh": "显示插件和机器人的状态"},
    "whoami": {"en": "Shows the ids of this bot, chat and sender", "zh": "显示机器人、会话和发送者的 ID"},
}


class Texts:
    """The texts in one language (BCP 47), English where it has none."""

    def __init__(self, language: str) -> None:
        self.language = language or ENGLISH
        self._short = self.language.partition("-")[0]

    def __call__(self, name: str, /, **values: object) -> str:
        """The text of this name, with its places filled."""
        return self.of(_TEXTS[name]).format(**values)

    def of(self, text: str | Mapping[str, Any]) -> str:
        """A text of a manifest: plain, or by language."""
        if isinstance(text, str):
            return text
        return str(text.get(self.language) or text.get(self._short) or text.get(ENGLISH) or "")
