"""Lines as events."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from jackfield_sdk import (
    BotInvitedToGroup,
    BotRemovedFromGroup,
    Chat,
    Event,
    Group,
    GroupInfoUpdated,
    GroupMemberJoined,
    GroupMemberLeft,
    Mention,
    Message,
    MessageReceived,
    Payload,
    PlatformEvent,
    Segment,
    Text,
    User,
)
from jackfield_sdk.identifiers import event_id

from jackfield_irc.line import Line, folded, is_channel
from jackfield_irc.roster import Roster

CTCP = "\x01"
ACCOUNT = "account/"


class Reader:
    """Reads the lines of one connection. `nick` is the bot's own name."""

    def __init__(self, roster: Roster, nick: str) -> None:
        self.roster = roster
        self.nick = nick

    def mine(self, nick: str) -> bool:
        """Whether a name is the bot's."""
        return folded(nick) == folded(self.nick)

    def events(self, line: Line) -> Iterator[Event]:
        """What a line tells: nothing for most of them. The roster follows."""
        read = getattr(self, f"_{line.command.lower()}", None)
        if read is not None and (line.nick or line.command == "353"):
            yield from read(line)

    def _privmsg(self, line: Line) -> Iterator[Event]:
        target, text = line.param(0), line.param(1)
        if self.mine(line.nick):
            return
        if text.startswith(CTCP):
            command, _, rest = text.strip(CTCP).partition(" ")
            if command.upper() != "ACTION":
                yield self._event(
                    line, PlatformEvent("ctcp", {"command": command.upper(), "text": rest}), target
                )
                return
            text = f"* {line.nick} {rest}"
        segments, mentioned = self._segments(text)
        payload = MessageReceived(
            message_id=line.tags.get("msgid") or event_id(),
            message=Message(*segments),
            mentions_bot=mentioned,
        )
        yield self._event(line, payload, target)

    def _notice(self, line: Line) -> Iterator[Event]:
        # Nobody answers a NOTICE, by the rules of IRC: it is no message to the bot. Servers use it for small talk.
        if line.user and not self.mine(line.nick):
            data = {"target": line.param(0), "text": line.param(1)}
            yield self._event(line, PlatformEvent("notice", data), line.param(0))

    def _join(self, line: Line) -> Iterator[Event]:
        channel = line.param(0)
        self.roster.joined(channel, line.nick, own=self.mine(line.nick))
        if not self.mine(line.nick):
            yield self._event(
                line, GroupMemberJoined(group=self._group(channel), member=user_of(line)), channel
            )

    def _part(self, line: Line) -> Iterator[Event]:
        channel = line.param(0)
        self.roster.left(channel, line.nick, own=self.mine(line.nick))
        if not self.mine(line.nick):
            yield self._event(
                line, GroupMemberLeft(group=self._group(channel), member=user_of(line)), channel
            )

    def _quit(self, line: Line) -> Iterator[Event]:
        for channel in self.roster.quit(line.nick):
            yield self._event(
                line, GroupMemberLeft(group=self._group(channel), member=user_of(line)), channel
            )

    def _kick(self, line: Line) -> Iterator[Event]:
        channel, victim = line.param(0), line.param(1)
        own = self.mine(victim)
        self.roster.left(channel, victim, own=own)
        group = Group(id=channel, name=channel)
        if own:
            yield self._event(line, BotRemovedFromGroup(group=group, operator=user_of(line)), channel)
        else:
            member = User(id=victim, nickname=victim)
            payload = GroupMemberLeft(group=group, member=member, is_kicked=True, operator=user_of(line))
            yield self._event(line, payload, channel)

    def _nick(self, line: Line) -> Iterator[Event]:
        new = line.param(0)
        self.roster.renamed(line.nick, new)
        if self.mine(line.nick):
            self.nick = new
            return
        data = {"old": line.nick, "new": new}
        yield self._event(line, PlatformEvent("nick", data), self.nick)

    def _topic(self, line: Line) -> Iterator[Event]:
        channel = line.param(0)
        group = Group(
            id=channel, name=channel, description=line.param(1), member_count=self.roster.count(channel)
        )
        payload = GroupInfoUpdated(group=group, operator=user_of(line), changed_fields=("description",))
        yield self._event(line, payload, channel)

    def _invite(self, line: Line) -> Iterator[Event]:
        channel = line.param(1)
        group = Group(id=channel, name=channel)
        payload = BotInvitedToGroup(group=group, inviter=user_of(line), request_id=channel)
        yield self._event(line, payload, channel)

    def _mode(self, line: Line) -> Iterator[Event]:
        if not self.mine(line.nick):
            data = {"target": line.param(0), "modes": list(line.params[1:])}
            yield self._event(line, PlatformEvent("mode", data), line.param(0))

    def _353(self, line: Line) -> Iterator[Event]:
        self.roster.named(line)
        yield from ()

    def _segments(self, text: str) -> tuple[list[Segment], bool]:
        """A name at the beginning, as people address each other on IRC, is a mention."""
        word, _, rest = text.partition(" ")
        if word[-1:] in (":", ",") and self.mine(word[:-1]):
            found: list[Segment] = [Mention(user_id=self.nick, display=word[:-1])]
            return ([*found, Text(rest)] if rest else found), True
        return [Text(text)], folded(self.nick) in folded(text).replace(",", " ").replace(":", " ").split()

    def _event(self, line: Line, payload: Payload, target: str) -> Event:
        chat = Chat.group(target) if is_channel(target) else Chat.private(line.nick)
        if is_channel(target):
            chat = Chat(chat.type, target, name=target)
        return Event(
            payload=payload,
            chat=chat,
            sender=user_of(line),
            time=_time(line),
            platform_event_id=line.tags.get("msgid", ""),
            reply_context=line.nick.encode(),
        )

    def _group(self, channel: str) -> Group:
        return Group(id=channel, name=channel, member_count=self.roster.count(channel))


def user_of(line: Line) -> User:
    """Who sent a line: the account where the server vouches for one, else a name that anybody may take."""
    account = line.tags.get("account", "")
    return User(id=f"{ACCOUNT}{account}" if account else line.nick, nickname=line.nick, username=line.user)


def _time(line: Line) -> datetime | None:
    try:
        return datetime.fromisoformat(line.tags["time"]).astimezone(UTC)
    except (KeyError, ValueError):
        return None
