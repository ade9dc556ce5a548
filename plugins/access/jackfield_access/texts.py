"""What this plugin says, in the languages it speaks."""

from __future__ import annotations

_TEXTS: dict[str, tuple[str, str]] = {
    "code": (
        "I do not know you yet. Your code is {code}. Give it to an administrator of this bot; it counts for one hour.",
        "我还不认识你。你的配对码是 {code}，请交给此机器人的管理员，一小时内有效。",
    ),
    "refuse": ("This bot is private. Ask its administrator.", "此机器人不对外开放，请联系管理员。"),
    "full": (
        "Too many people wait already. Please try again in an hour.",
        "等待配对的人过多，请一小时后再试。",
    ),
    "welcome": ("Welcome! You may use this bot now.", "欢迎！你现在可以使用此机器人了。"),
    "wrong": ("This code does not count, or not any more.", "配对码无效或已过期。"),
    "locked": ("Too many wrong codes. Try again in an hour.", "错误次数过多，请一小时后再试。"),
    "invite": (
        "Hand out this code: {code}. Whoever sends it to {bot} in a private chat within one hour is admitted, once.",
        "请转交此配对码：{code}。一小时内首个私聊发送给 {bot} 的人将获得使用权限。",
    ),
    "waiting": (
        "Three codes wait already. They end after an hour, or when they are used.",
        "已有三个配对码等待使用，一小时后或使用后失效。",
    ),
    "paired": ("{who} is admitted to {bot}.", "{who} 已可使用 {bot}。"),
    "allowed": ("{who} is admitted as {tier}.", "{who} 已获准，身份：{tier}。"),
    "blocked": ("{who} is shut out.", "{who} 已被禁止。"),
    "revoked": ("{who} is not admitted any more.", "{who} 的权限已撤销。"),
    "revoked_open": (
        "{who} stands in the configuration, or everyone is admitted there: shut out instead. /allow takes that back.",
        "{who} 在配置中或该机器人对所有人开放，已改为禁止。可用 /allow 撤销。",
    ),
    "nobody": ("Nobody is known by that id.", "没有此 ID 的用户。"),
    "who": ("Whom? Give the id that the platform shows, or /users.", "请给出用户 ID，可用 /users 查看。"),
    "self": ("You would shut yourself out.", "不能禁止自己。"),
    "users": ("{bot} admits:", "{bot} 允许："),
    "everyone": ("  everyone", "  所有人"),
    "none": ("  nobody", "  无"),
    "guests": ("  everyone in the groups {groups}", "  以下群的所有成员：{groups}"),
}


def told(locale: str, name: str, /, **values: object) -> str:
    """The text of this name in a language (BCP 47), English where there is none."""
    chinese = locale.partition("-")[0] == "zh"
    return _TEXTS[name][chinese].format(**values)
