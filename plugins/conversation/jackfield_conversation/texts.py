"""What this plugin says, in the languages it speaks."""

from __future__ import annotations

_TEXTS: dict[str, tuple[str, str]] = {
    "begun": (
        "A new conversation begins. The last one is kept: /sessions lists it.",
        "已开始新的对话。之前的对话已保存，发送 /sessions 查看。",
    ),
    "none": ("There is no conversation here yet.", "这里还没有对话。"),
    "list": ("Conversations here, newest first:", "本会话的对话（最近的在前）："),
    "line": (
        "{mark}{number}. {title} ({id}, {turns} turns, {date} UTC)",
        "{mark}{number}. {title}（{id}，{turns} 条，{date} UTC）",
    ),
    "untitled": ("without title", "无标题"),
    "list_more": ("/resume <number> goes on with one.", "发送 /resume <编号> 继续某个对话。"),
    "which": ("Which one? /sessions lists them.", "要恢复哪一个？发送 /sessions 查看列表。"),
    "unknown": (
        "No conversation of yours is called {name!r}. /sessions lists them.",
        "没有名为“{name}”的对话。发送 /sessions 查看列表。",
    ),
    "elsewhere": ("That conversation is going on in another chat.", "该对话正在其他会话中进行。"),
    "private_only": (
        "A private conversation is resumed in a private chat only.",
        "私聊对话只能在私聊中恢复。",
    ),
    "resumed": ("Going on with {title} ({turns} turns).", "继续对话：{title}（{turns} 条）。"),
    "query": ("What shall be found?", "要搜索什么？"),
    "nothing": ("Nothing found.", "没有找到。"),
    "title_is": ("Title: {title}", "标题：{title}"),
    "title_set": ("The title is now: {title}", "标题已设为：{title}"),
    "title_long": ("A title has at most {most} characters.", "标题最多 {most} 个字符。"),
    "title_taken": ("Another conversation has this title.", "已有其他对话使用此标题。"),
    "export": ("The conversation as a file.", "当前对话的文件。"),
    "too_large": (
        "The conversation is too large for a file; ask the operator.",
        "对话过大，无法导出为文件，请联系管理员。",
    ),
    "forget_ask": (
        "This erases {conversations} conversations of yours with this bot, and what you said in shared ones, for good. "
        "Send /forgetme confirm to do it. /export gives you a copy first.",
        "这将永久删除你与此机器人的 {conversations} 个对话，以及你在群聊对话中说过的话。发送 /forgetme confirm 确认。可先用 /export 备份。",
    ),
    "forgotten": (
        "Erased: {conversations} conversations, {turns} turns.",
        "已删除：{conversations} 个对话，{turns} 条内容。",
    ),
    "no_sender": ("The platform does not say who you are.", "平台没有提供你的身份。"),
    "user": ("User", "用户"),
    "assistant": ("Assistant", "助手"),
}


def told(locale: str, name: str, /, **values: object) -> str:
    """The text of this name in a language (BCP 47), English where there is none."""
    chinese = locale.partition("-")[0] == "zh"
    return _TEXTS[name][chinese].format(**values)
