"""Where a call goes."""

from __future__ import annotations

from dataclasses import dataclass

from jackfield.v1 import frame_pb2

from jackfield_sdk import convert
from jackfield_sdk.entity import Chat

KERNEL = frame_pb2.CallTarget(plugin="kernel")


@dataclass(frozen=True, slots=True)
class Target:
    """A bot (its adapter answers), perhaps with a chat, or a plugin. All empty: the only provider of the
    service."""

    bot: str = ""
    chat: Chat | None = None
    plugin: str = ""

    @classmethod
    def parse(cls, text: str) -> Target:
        """`<bot>:<type>:<id>[:<thread>]`, or the id of a plugin. Raises ValueError."""
        bot, colon, chat = text.partition(":")
        if not colon:
            return cls(plugin=text)
        return cls(bot=bot, chat=Chat.parse(chat))

    def __str__(self) -> str:
        if self.plugin:
            return self.plugin
        return f"{self.bot}:{self.chat}" if self.chat is not None else self.bot

    def to_proto(self) -> frame_pb2.CallTarget:
        """As it stands in the frame."""
        proto = frame_pb2.CallTarget(bot=self.bot, plugin=self.plugin)
        if self.chat is not None:
            proto.chat.CopyFrom(convert.chat_to_proto(self.chat))
        return proto


def as_target(target: str | Target | Chat | None, bot: str = "") -> Target:
    """What authors write as a target. `bot` completes a Chat, and stands for None."""
    if target is None:
        return Target(bot=bot)
    if isinstance(target, Target):
        return target
    if isinstance(target, Chat):
        if not bot:
            raise ValueError("a chat alone is no target here; write '<bot>:<chat>' or Target(bot, chat)")
        return Target(bot=bot, chat=target)
    return Target.parse(target)
