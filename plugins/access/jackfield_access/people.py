"""Who was admitted or shut out by chat, in the plugin's keys: `people/<bot>/<user id>`, a hash for a long id."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from urllib.parse import quote

from jackfield_sdk import Kv

PREFIX = "people/"
USER, ADMIN, BLOCKED = "user", "admin", "blocked"
_PAGE = 1_000
_LONGEST = 200
_LONGEST_KEY = 400


@dataclass(frozen=True, slots=True)
class Person:
    """One decision about one account.

    Attributes:
        tier: `user`, `admin` or `blocked`.
        how: `paired`, `allowed`, `blocked` or `revoked`, for people.
        by: who decided, `<bot>:<sender id>`.
        name: what the platform called them then.
    """

    bot: str
    user: str
    tier: str
    how: str = ""
    by: str = ""
    name: str = ""


class People:
    """Reads and writes decisions; durable when a method returns. Raises what the kernel answers."""

    def __init__(self, kv: Kv) -> None:
        self._kv = kv
        self._known: dict[tuple[str, str], Person] = {}

    async def load(self) -> None:
        """Everything kept."""
        known: dict[tuple[str, str], Person] = {}
        after = ""
        while page := await self._kv.list(PREFIX, after=after, limit=_PAGE):
            for entry in page:
                person = Person(**json.loads(entry.value))
                known[person.bot, person.user] = person
            after = page[-1].key
        self._known = known

    def of_bot(self, bot: str) -> list[Person]:
        """Decisions about one bot, by id."""
        return sorted((one for one in self._known.values() if one.bot == bot), key=lambda one: one.user)

    def find(self, bot: str, user: str) -> Person | None:
        """The decision about one account."""
        return self._known.get((bot, user))

    async def put(self, person: Person) -> None:
        """Decide."""
        values = asdict(replace(person, name=person.name[:_LONGEST]))
        await self._kv.put(_key(person.bot, person.user), json.dumps(values, ensure_ascii=False), now=True)
        self._known[person.bot, person.user] = person

    async def remove(self, bot: str, user: str) -> None:
        """Decide nothing any more."""
        await self._kv.delete(_key(bot, user), now=True)
        self._known.pop((bot, user), None)


def _key(bot: str, user: str) -> str:
    quoted = quote(user, safe="")
    # A key has 512 bytes at most; ids are as long as a platform likes.
    if len(quoted) > _LONGEST_KEY:
        quoted = "~" + hashlib.sha256(user.encode()).hexdigest()
    return f"{PREFIX}{bot}/{quoted}"
