"""`jackfield restore`: works on files, with the kernel stopped."""

from __future__ import annotations

import json as json_text
import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from ..config import data_directory
from ..errors import Refused
from ..journal.sqlite.restored import inspect, renew
from ..paths import BACKUP_FORMAT, BACKUP_NOTE, DataPaths, KernelLock
from ..state.keyfile import VARIABLE, decoded, key_id
from ..supervisor.adopted import read_record
from .failure import Failure
from .lazy import new_app
from .options import Data, Json
from .place import restoring
from .show import print_plain_json, say

app = new_app()


@app.command(epilog="Example: jackfield restore /backups/monday --key /safe/monday.key")
def restore(
    source: Annotated[Path, typer.Argument(metavar="FROM", help="Directory that `jackfield backup` wrote.")],
    force: Annotated[
        bool, typer.Option("--force", help="Replace what is there; it is kept beside the data directory.")
    ] = False,
    key: Annotated[
        Path | None, typer.Option("--key", metavar="FILE", help="The key of the backup's secrets.")
    ] = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """Put a backup in place of the data directory. The kernel must not run.

    The journal gets a new identity. What was open when the backup was made becomes a dead letter (RESTORED), because it may
    have been handled since: look with `jackfield dead list`, then replay or discard.
    """
    root = data_directory(data, os.environ)
    note = _note(source)
    found = inspect(source / "journal.db")
    secret = _key(key, root, note)
    _check_place(root, force=force)
    with _stopped(root):
        new = restoring(root)
        shutil.rmtree(new, ignore_errors=True)
        _copy(source, new, quiet=json)
        identity = renew(new / "journal.db")
        if secret is not None:
            _write_key(DataPaths(new).secret_key, secret)
        _sync_tree(new)
        kept = _swap(root, new)
    missing = bool(note["key_id"]) and secret is None and VARIABLE not in os.environ
    if json:
        result = {"data": str(root), "journal": identity, "last_sequence": found.last_sequence}
        print_plain_json({**result, "replaced": str(kept or ""), "key_missing": missing})
        return
    say(f"Restored {root} from {source}." + (f" What was there before: {kept}." if kept else ""))
    if missing:
        say(f"Its secrets need their key (id {note['key_id']}): put it at {DataPaths(root).secret_key}.")
    say("Start the kernel; what was open then is in `jackfield dead list`.")


def _note(source: Path) -> dict[str, Any]:
    try:
        note = json_text.loads((source / BACKUP_NOTE).read_text())
    except (FileNotFoundError, NotADirectoryError) as error:
        raise Failure(
            f"{source} is no backup: it has no {BACKUP_NOTE}.",
            "Name a directory that `jackfield backup` wrote.",
        ) from error
    except (OSError, ValueError) as error:
        raise Failure(f"{source / BACKUP_NOTE} cannot be read: {error}.", "Use another backup.") from error
    if not isinstance(note, dict) or not isinstance(note.get("format"), int):
        raise Failure(f"{source / BACKUP_NOTE} is damaged.", "Use another backup.")
    if note["format"] > BACKUP_FORMAT:
        raise Failure(
            f"The backup has format {note['format']}; this version reads up to {BACKUP_FORMAT}.",
            f"Restore it with jackfield {note.get('kernel', 'as new as the one that wrote it')}.",
        )
    return {"key_id": "", **note}


def _key(key: Path | None, root: Path, note: dict[str, Any]) -> bytes | None:
    """The key file to put in place: the one that is named, else that of the data directory, or of a restore that was cut."""
    places = [key] if key else [DataPaths(place).secret_key for place in (root, restoring(root))]
    for place in places:
        if not place.exists():
            if key is not None:
                raise Failure(f"There is no key file {key}.", "Correct --key.")
            continue
        text = place.read_bytes()
        try:
            found = key_id(decoded(text.decode("ascii", "replace"), str(place)))
        except Refused:
            if key is not None:
                raise
            continue
        if note["key_id"] in ("", found):
            return text
        if key is not None:
            raise Failure(
                f"{key} is not the key of this backup's secrets, whose id is {note['key_id']}.",
                "Name the key file that was kept with it.",
                "WRONG_KEY",
            )
    return None


def _check_place(root: Path, *, force: bool) -> None:
    if DataPaths(root).journal.exists() and not force:
        raise Failure(
            f"{root} holds a journal already.",
            "Give --force to replace it; it is kept beside the new one. Or choose another directory with --data.",
            "CONFLICT",
        )


@contextmanager
def _stopped(root: Path) -> Iterator[None]:
    """While neither a kernel nor a plugin that one left behind runs on `root`. Raises DataDirectoryLocked, Failure."""
    if not root.exists():
        yield
        return
    with KernelLock(DataPaths(root).lock):
        records = {path.stem: read_record(path) for path in DataPaths(root).running().glob("*.json")}
        if left := [
            f"{name} (pid {one.pid})" for name, one in sorted(records.items()) if one and one.lives()
        ]:
            raise Failure(
                f"Plugins still run that a kernel on {root} left: {', '.join(left)}.",
                "Start the kernel, which takes them over, and stop it with `jackfield stop`.",
                "CONFLICT",
            )
        yield


def _copy(source: Path, target: Path, *, quiet: bool) -> None:
    files = [
        Path(folder, name).relative_to(source)
        for folder, _, names in os.walk(source)
        for name in sorted(names)
    ]
    target.mkdir(mode=0o700, parents=True)
    for number, file in enumerate(files, 1):
        if str(file) == BACKUP_NOTE:
            continue
        (target / file).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        shutil.copyfile(source / file, target / file)
        (target / file).chmod((source / file).stat().st_mode & 0o700)
        if not quiet and sys.stderr.isatty():
            print(f"\r{number} of {len(files)} files   ", end="", file=sys.stderr, flush=True)
    if not quiet and sys.stderr.isatty():
        print(file=sys.stderr)


def _write_key(path: Path, text: bytes) -> None:
    with open(os.open(path, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "wb") as file:
        file.write(text)


def _sync_tree(root: Path) -> None:
    for folder, _, names in os.walk(root, topdown=False):
        os.chmod(folder, 0o700)
        for name in (*names, "."):
            descriptor = os.open(Path(folder, name), os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)


def _swap(root: Path, new: Path) -> Path | None:
    """Two renames; a `jackfield run` between them is refused (`place.refuse_half_restored`)."""
    kept = None
    if root.exists():
        stamp = time.strftime("%Y%m%dT%H%M%S")
        kept = root.with_name(f"{root.name}.replaced-{stamp}")
        root.rename(kept)
    new.rename(root)
    descriptor = os.open(root.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return kept
