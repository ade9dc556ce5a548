"""`jackfield backup`."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Annotated

import typer
from jackfield.v1 import admin_state_pb2

from .client import admin
from .failure import Failure, UsageFailure
from .lazy import new_app
from .options import Data, Json
from .show import print_json, say

app = new_app()

_PART = {
    admin_state_pb2.BACKUP_PART_JOURNAL: "journal",
    admin_state_pb2.BACKUP_PART_BLOBS: "blobs",
    admin_state_pb2.BACKUP_PART_FILES: "files",
}


@app.command(epilog="Example: jackfield backup /backups/monday --key /safe/monday.key")
def backup(
    to: Annotated[Path, typer.Argument(metavar="TO", help="Directory to write; it must not exist.")],
    key: Annotated[
        Path | None,
        typer.Option("--key", metavar="FILE", help="Copy the key of the secrets to this file, outside TO."),
    ] = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """Copy journal, blobs and the plugins' files while the kernel runs. The key of the secrets is kept apart."""
    target = to.expanduser().absolute()
    kept = key.expanduser().absolute() if key is not None else None
    _check_key(kept, target)
    summary = None
    with admin(data) as stub:
        for step in stub.Backup(admin_state_pb2.BackupRequest(path=str(target))):
            if step.HasField("summary"):
                summary = step.summary
            elif not json and sys.stderr.isatty():
                print(
                    f"\r{_PART[step.part]}: {step.done} of {step.total}   ",
                    end="",
                    file=sys.stderr,
                    flush=True,
                )
    if summary is None:
        raise Failure("The kernel ended the backup early.", "See its log.")
    if kept is not None and summary.key_path:
        _copy_key(Path(summary.key_path), kept)
    if json:
        print_json(summary)
        return
    if sys.stderr.isatty():
        print(file=sys.stderr)
    say(f"Wrote {target}: {summary.blobs} blobs, {summary.files} files, {summary.bytes} bytes.")
    if summary.has_secrets:
        _say_key(summary.key_path, kept)


def _check_key(key: Path | None, target: Path) -> None:
    if key is None:
        return
    if key.exists():
        raise UsageFailure(f"{key} exists already.", "Name a file that does not exist.")
    if key.resolve().is_relative_to(target.resolve()):
        raise UsageFailure(
            "The key may not stand in the backup that it opens.", "Name a file elsewhere, on another disk."
        )


def _copy_key(source: Path, target: Path) -> None:
    descriptor = os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with open(descriptor, "wb") as file, source.open("rb") as original:
        shutil.copyfileobj(original, file)
        file.flush()
        os.fsync(file.fileno())


def _say_key(path: str, kept: Path | None) -> None:
    if kept is not None and path:
        say(
            f"The key of its secrets: {kept}. Keep it apart from the backup; without it the secrets are lost."
        )
    elif path:
        say(
            f"The key of its secrets is NOT in it: keep a copy of {path} apart; without it the secrets are lost."
        )
    else:
        say("The key of its secrets comes from the environment and is NOT in it: keep that too.")
