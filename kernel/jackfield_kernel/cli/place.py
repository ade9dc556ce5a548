"""Where a kernel started from this command line runs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from .failure import Failure

CONFIG_NAME = "jackfield.yaml"
CONFIG_VARIABLE = "JACKFIELD_CONFIG"


def config_file(argument: Path | None, data: Path, environ: Mapping[str, str]) -> Path | None:
    """The configuration file: `--config`, JACKFIELD_CONFIG, else `jackfield.yaml` in the data directory.

    Not the current directory: what a kernel does must not depend on where it was started.
    """
    if argument is not None:
        return argument.expanduser().absolute()
    if given := environ.get(CONFIG_VARIABLE):
        return Path(given).expanduser().absolute()
    found = data / CONFIG_NAME
    return found if found.exists() else None


def refuse_half_restored(root: Path) -> None:
    """A restore that was interrupted between its two last steps left no data directory: an empty one must not take its place.

    Raises Failure.
    """
    if not root.exists() and restoring(root).exists():
        raise Failure(
            f"A restore of {root} was interrupted.",
            "Run the same `jackfield restore` again; everything that was there is beside it.",
            "RESTORED",
        )


def restoring(root: Path) -> Path:
    """Where a restore builds the new data directory."""
    return root.with_name(f"{root.name}.restoring")
