"""Who is in which channel, as the server tells it."""

from __future__ import annotations

from collections.abc import Sequence

from jackfield_sdk import Member, MemberRole, User

from jackfield_irc.line import Line, folded

PREFIXES = "~&@%+"
_ROLES = {"~": MemberRole.OWNER, "&": MemberRole.ADMIN, "@": MemberRole.ADMIN, "%": MemberRole.ADMIN}


class Roster:
    """Channels that the bot is in, by folded name; each holds its own name and its members' nicknames."""

    def __init__(self) -> None:
        self.channels: dict[str, str] = {}
        self._members: dict[str, dict[str, str]] = {}

    def joined(self, channel: str, nick: str, *, own: bool) -> None:
        """Somebody came."""
        key = folded(channel)
        if own:
            self.channels[key] = channel
            self._members[key] = {}
        if key in self._members:
            self._members[key][folded(nick)] = nick

    def left(self, channel: str, nick: str, *, own: bool) -> None:
        """Somebody went."""
        key = folded(channel)
        if own:
            self.channels.pop(key, None)
            self._members.pop(key, None)
        elif key in self._members:
            self._members[key].pop(folded(nick), None)

    def quit(self, nick: str) -> list[str]:
        """Somebody left the server; the channels where that is noticed."""
        return [
            self.channels[key]
            for key, members in self._members.items()
            if members.pop(folded(nick), None) is not None
        ]

    def renamed(self, old: str, new: str) -> None:
        """Somebody has another nickname."""
        for members in self._members.values():
            if members.pop(folded(old), None) is not None:
                members[folded(new)] = new

    def named(self, line: Line) -> None:
        """A line of NAMES (353)."""
        members = self._members.get(folded(line.param(2)))
        if members is not None:
            for name in line.params[-1].split():
                nick = name.lstrip(PREFIXES).partition("!")[0]
                members[folded(nick)] = nick

    def count(self, channel: str) -> int | None:
        """How many are there; None where the bot is not."""
        members = self._members.get(folded(channel))
        return None if members is None else len(members)


def members_of(channel: str, lines: Sequence[Line]) -> list[Member]:
    """The members that an answer to NAMES lists, by nickname."""
    found: dict[str, Member] = {}
    for line in lines:
        if line.command == "353" and folded(line.param(2)) == folded(channel):
            for name in line.params[-1].split():
                nick = name.lstrip(PREFIXES).partition("!")[0]
                role = next((_ROLES[one] for one in name if one in _ROLES), MemberRole.MEMBER)
                user = User(id=nick, nickname=nick)
                found[folded(nick)] = Member(user=user, group_id=channel, role=role, display_name=nick)
    return [found[key] for key in sorted(found)]
