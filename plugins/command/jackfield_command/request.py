"""One use of a command, with all that answering it needs."""

from __future__ import annotations

from dataclasses import dataclass

from jackfield.v1 import kernel_pb2
from jackfield_sdk import Event

from jackfield_command.listing import Command, Listing
from jackfield_command.parsing import Typed
from jackfield_command.texts import Texts


@dataclass(frozen=True, slots=True)
class Request:
    """Who typed what, and what there is."""

    event: Event
    typed: Typed
    prefix: str
    is_admin: bool
    user_commands: frozenset[str]
    texts: Texts
    listing: Listing
    catalog: kernel_pb2.GetCatalogResponse

    @property
    def hidden(self) -> frozenset[str]:
        """Commands that this user is not shown."""
        return frozenset(command.name for command in self.listing.by_name.values() if not self.may(command))

    def may(self, command: Command) -> bool:
        """Whether this user may run it: administrators all, others what is for users, narrowed where the operator says so."""
        if self.is_admin:
            return True
        if command.admin:
            return False
        return not self.user_commands or command.name in self.user_commands or command in (HELP, WHOAMI)

    def shown(self, command: str) -> str:
        """A command as users type it."""
        return f"{self.prefix}{command}"

    def usage_of(self, command: Command) -> str:
        """The usage line of a command."""
        usage = self.texts("help_usage") if command == HELP else command.usage
        return f"{self.shown(command.name)} {usage}".rstrip()

    def about(self, command: Command) -> str:
        """The description of a command."""
        return self.texts.of(command.description) if command.plugin else self.texts(command.name)


HELP = Command("help", aliases=("h",))
STATUS = Command("status")
WHOAMI = Command("whoami")
OWN = (HELP, STATUS, WHOAMI)
"""The commands that this plugin answers itself."""
