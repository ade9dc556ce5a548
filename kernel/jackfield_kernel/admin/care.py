"""Admin: backup, forgetting, and holds of the kernel."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

from jackfield.v1 import admin_state_pb2

from ..bus.forgetting import FORGOTTEN, Forgetting, Person
from ..bus.starts import Starts
from ..errors import Refused
from ..routing.pattern import parse
from ..state.backup import Backup, Note, Progress
from ..state.secrets import SecretStore
from .views import View

_PARTS = {
    "journal": admin_state_pb2.BACKUP_PART_JOURNAL,
    "blobs": admin_state_pb2.BACKUP_PART_BLOBS,
    "files": admin_state_pb2.BACKUP_PART_FILES,
}
SAID_EVERY = 100
"""Files between two words about how far a backup is."""


class CarePart:
    """What an operator does for the data."""

    def __init__(
        self,
        view: View,
        backup: Backup,
        forgetting: Forgetting,
        starts: Starts,
        secrets: SecretStore,
    ) -> None:
        self._view = view
        self._backup = backup
        self._forgetting = forgetting
        self._starts = starts
        self._secrets = secrets

    async def backup(
        self, request: admin_state_pb2.BackupRequest
    ) -> AsyncIterator[admin_state_pb2.BackupResponse]:
        """Write a backup, saying how far it is."""
        key_id, key_path = self._secrets.key()
        ended: dict[str, Progress] = {}
        note: Note | None = None
        async for progress in self._backup.write(Path(request.path), key_id):
            if isinstance(progress, Note):
                note = progress
                continue
            ended[progress.part] = progress
            if progress.done % SAID_EVERY == 0 or progress.done == progress.total:
                yield admin_state_pb2.BackupResponse(
                    part=_PARTS[progress.part], done=progress.done, total=progress.total
                )
        assert note is not None
        yield admin_state_pb2.BackupResponse(
            summary=admin_state_pb2.BackupSummary(
                path=request.path,
                journal=note.journal,
                last_sequence=note.last_sequence,
                blobs=ended["blobs"].total,
                files=ended["files"].total,
                bytes=sum(part.bytes for part in ended.values()),
                key_path=key_path,
                has_secrets=bool(key_id),
            )
        )

    async def forget_user(
        self, request: admin_state_pb2.ForgetUserRequest
    ) -> admin_state_pb2.ForgetUserResponse:
        """Erase a person, or count."""
        if not request.user:
            raise Refused("INVALID_ARGUMENT", "whom to forget is missing", field="user")
        if request.bot and request.bot not in self._view.bots.bots:
            raise Refused(
                "UNKNOWN_BOT",
                f"there is no bot {request.bot!r}",
                remedy="See `jackfield bot list`.",
                bot=request.bot,
            )
        person = Person(request.user, request.bot)
        held = await self._forgetting.look(person)
        blobs = len(held.blobs) if request.dry_run else await self._forgetting.erase(person, held)
        return admin_state_pb2.ForgetUserResponse(
            events=len(held.events),
            records=held.records,
            dead_letters=len(held.dead),
            entries=len(held.entries),
            blobs=blobs,
            open=held.open,
            plugins=self._told(),
        )

    def _told(self) -> list[str]:
        """Plugins that observe the event which says that somebody is to be forgotten."""
        return [
            name
            for name, installed in sorted(self._view.registry.plugins.items())
            for granted in [set(installed.grants.observes)]
            if any(
                (pattern in granted or "*" in granted) and parse(pattern).matches(FORGOTTEN)
                for pattern in installed.manifest.observes
            )
        ]

    async def resume(self, request: admin_state_pb2.ResumeRequest) -> admin_state_pb2.ResumeResponse:
        """End a hold."""
        if request.reason not in self._view.bus.turns.holds:
            raise Refused(
                "NOT_FOUND",
                f"the kernel is not held by {request.reason or 'nothing named'}",
                remedy="See `jackfield status`.",
            )
        ends = {"LOST_TAIL": self._view.hub.accept_loss, "RESTART_LOOP": self._starts.resume}
        return admin_state_pb2.ResumeResponse(ended=await ends[request.reason]())
