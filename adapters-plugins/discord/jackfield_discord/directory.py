"""What channels are: which belong to which server, which are threads of which channel, whose a private one is."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jackfield_sdk import Chat, ChatType, JackfieldError

from jackfield_discord.convert.values import integer_of, is_snowflake, table, tables, text_of
from jackfield_discord.rest import Rest

DM, GROUP_DM = 1, 3
THREADS = (10, 11, 12)
FORUMS = (15, 16)
# Channels and private conversations that are remembered.
MOST = 100_000
LOOKUP_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Place:
    """One channel."""

    id: str
    kind: int
    guild: str = ""
    parent: str = ""
    name: str = ""
    user: str = ""

    @property
    def chat(self) -> Chat:
        """As the contract names it."""
        if self.kind == DM:
            return Chat(ChatType.PRIVATE, self.user or self.id, name=self.name)
        if self.kind == GROUP_DM:
            return Chat(ChatType.GROUP, self.id, name=self.name)
        if self.kind in THREADS and self.parent:
            return Chat(
                ChatType.CHANNEL, self.parent, thread_id=self.id, parent_id=self.guild, name=self.name
            )
        return Chat(ChatType.CHANNEL, self.id, parent_id=self.guild, name=self.name)


def place_of(native: Mapping[str, Any], guild: str = "") -> Place:
    """A channel from its native form."""
    kind = integer_of(native.get("type"))
    recipients = tables(native.get("recipients"))
    return Place(
        text_of(native.get("id")),
        kind,
        guild or text_of(native.get("guild_id")),
        text_of(native.get("parent_id")) if kind in THREADS else "",
        text_of(native.get("name")),
        text_of(recipients[0].get("id")) if kind == DM and recipients else "",
    )


class Directory:
    """Of one bot: filled by the gateway, asked of the platform where that said nothing."""

    def __init__(self, rest: Rest) -> None:
        self._rest = rest
        self._places: OrderedDict[str, Place] = OrderedDict()
        self._private: OrderedDict[str, str] = OrderedDict()

    def learn(self, place: Place) -> None:
        """Remembers a channel."""
        if not place.id:
            return
        self._places[place.id] = place
        self._places.move_to_end(place.id)
        if place.kind == DM and place.user:
            self._private[place.user] = place.id
        for kept in (self._places, self._private):
            if len(kept) > MOST:
                kept.popitem(last=False)

    def learn_guild(self, guild: Mapping[str, Any]) -> None:
        """Remembers all channels and active threads of a server."""
        guild_id = text_of(guild.get("id"))
        for channel in (*tables(guild.get("channels")), *tables(guild.get("threads"))):
            self.learn(place_of(channel, guild_id))

    def forget(self, channel_id: str) -> None:
        """A channel is gone."""
        self._places.pop(channel_id, None)

    def known(self, channel_id: str) -> Place | None:
        """Without asking."""
        return self._places.get(channel_id)

    async def find(self, channel_id: str) -> Place:
        """The channel, asked of the platform when unknown. Raises JackfieldError."""
        found = self._places.get(channel_id)
        if found is None:
            found = place_of(
                table(await self._rest.request("GET", "channels", channel_id, timeout=LOOKUP_SECONDS))
            )
            self.learn(found)
        return found

    async def meet(self, channel_id: str, guild: str, kind: int | None, user: str = "") -> Place:
        """The channel of an event, as well as it can be told: no failure of a look-up holds an event up."""
        found = self._places.get(channel_id)
        if found is not None and (found.kind != DM or found.user):
            return found
        if user and (kind == DM or not guild):
            found = Place(channel_id, DM, user=user)
        elif kind is not None and kind not in THREADS and kind != DM:
            found = Place(channel_id, kind, guild)
        elif is_snowflake(channel_id):
            try:
                return await self.find(channel_id)
            except JackfieldError:
                # Not remembered: the next event asks again.
                return Place(channel_id, DM if kind == DM or not guild else 0, guild)
        else:
            return Place(channel_id, 0, guild)
        self.learn(found)
        return found

    async def private(self, user_id: str) -> str:
        """The private channel of a user, opened where it was not. Raises JackfieldError."""
        found = self._private.get(user_id)
        if found is None:
            answer = await self._rest.request(
                "POST", "users", "@me", "channels", body={"recipient_id": user_id}
            )
            found = text_of(table(answer).get("id"))
            self.learn(Place(found, DM, user=user_id))
        return found
