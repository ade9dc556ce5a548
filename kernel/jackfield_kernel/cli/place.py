"""Where a kernel started from this command line runs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

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
