"""What this plugin itself says to users, in the languages it speaks."""

from __future__ import annotations

_TEXTS: dict[str, dict[str, str]] = {
    "stopped": {"en": "(stopped)", "zh": "（已停止）"},
    "cut": {"en": "(cut off by a new message)", "zh": "（被新消息打断）"},
    "nothing_runs": {"en": "Nothing is being written here.", "zh": "这里没有正在生成的回答。"},
    "stopping": {"en": "Stopped.", "zh": "已停止。"},
    "not_yours_to_stop": {
        "en": "Only the person who asked, or an administrator, may stop that.",
        "zh": "只有发起者或管理员可以停止该回答。",
    },
    "no_model": {
        "en": "No model is running, so I cannot answer. The operator finds the reason with: jackfield status",
        "zh": "没有正在运行的模型，无法回答。管理员可运行 jackfield status 查看原因。",
    },
    "model_failed": {
        "en": "The model could not answer ({reason}). Please try again later.",
        "zh": "模型无法回答（{reason}），请稍后再试。",
    },
    "model_cut": {
        "en": "(the model broke off here: {reason})",
        "zh": "（模型在此处中断：{reason}）",
    },
    "rounds": {
        "en": "I stopped after {count} rounds of tools without a final answer.",
        "zh": "工具调用已达 {count} 轮仍无最终回答，已停止。",
    },
    "time": {
        "en": "I stopped: the answer took longer than {count} s.",
        "zh": "回答超过 {count} 秒，已停止。",
    },
    "tokens": {
        "en": "I stopped: the answer took more than {count} tokens.",
        "zh": "回答超过 {count} 个令牌，已停止。",
    },
    "malformed": {
        "en": "I stopped: the model called tools with arguments that cannot be read, {count} times.",
        "zh": "模型 {count} 次以无法解析的参数调用工具，已停止。",
    },
    "empty": {"en": "(the model had nothing to say)", "zh": "（模型没有内容可说）"},
    "filtered": {"en": "(the provider withheld the answer)", "zh": "（提供方拒绝给出回答）"},
    "length": {"en": "(the answer reached its largest size)", "zh": "（回答已达最大长度）"},
    "ask": {
        "en": "May I run {tool} ({danger}) with {arguments}?\nAnswer with /approve {id} or /deny {id} within {minutes} min.",
        "zh": "可以运行 {tool}（{danger}），参数为 {arguments} 吗？\n请在 {minutes} 分钟内发送 /approve {id} 或 /deny {id}。",
    },
    "allow": {"en": "Allow", "zh": "允许"},
    "deny": {"en": "Deny", "zh": "拒绝"},
    "approved": {"en": "Approved: {tool}", "zh": "已允许：{tool}"},
    "denied": {"en": "Denied: {tool}", "zh": "已拒绝：{tool}"},
    "expired": {"en": "The question about {tool} has expired.", "zh": "关于 {tool} 的审批请求已过期。"},
    "none_asked": {"en": "Nothing asks for approval here.", "zh": "这里没有待审批的请求。"},
    "several_asked": {
        "en": "Several tools ask; name one: {ids}",
        "zh": "有多个待审批请求，请指定其一：{ids}",
    },
    "not_yours": {
        "en": "Only the person who asked, or an administrator, may answer that.",
        "zh": "只有发起者或管理员可以答复该请求。",
    },
    "answered_before": {"en": "That was answered already: {tool}", "zh": "该请求已被答复：{tool}"},
    "models": {"en": "Models (the first one that works answers):", "zh": "模型（使用第一个可用的）："},
    "model_set": {"en": "This bot now asks {model} first.", "zh": "本机器人现在优先使用 {model}。"},
    "model_default": {
        "en": "This bot asks the configured models again.",
        "zh": "本机器人恢复使用配置的模型。",
    },
    "model_unknown": {"en": "There is no model {model}.", "zh": "没有模型 {model}。"},
    "usage": {
        "en": "This conversation: {turns} turns, {input} tokens read, {output} written.",
        "zh": "本次对话：{turns} 条，读取 {input} 个令牌，生成 {output} 个令牌。",
    },
    "no_memory": {
        "en": "No conversation plugin runs: I answer each message without memory.",
        "zh": "没有会话插件在运行：每条消息都在无记忆的情况下回答。",
    },
    "safe": {"en": "it only reads", "zh": "只读"},
    "mutating": {"en": "it changes something", "zh": "会产生更改"},
    "destructive": {"en": "it destroys, spends or publishes", "zh": "会破坏、花费或发布"},
    "unspecified": {"en": "it does not say what it changes", "zh": "未说明会更改什么"},
}


class Texts:
    """The texts in one language (BCP 47), English where it has none."""

    def __init__(self, language: str = "") -> None:
        self.language = language.partition("-")[0].lower() or "en"

    def __call__(self, name: str, **values: object) -> str:
        """One text with its values filled in."""
        texts = _TEXTS[name]
        return texts.get(self.language, texts["en"]).format(**values)
