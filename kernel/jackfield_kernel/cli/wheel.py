"""A plugin's wheel, made a folder that the kernel can run a plugin from."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from ..config import data_directory
from ..manifest import MANIFEST_NAME
from .failure import Failure

WHEEL = ".whl"


def unpack(wheel: Path, data: Path | None) -> Path:
    """Install `wheel` and what it depends on below the data directory, apart from every other plugin.

    Return the folder of the manifest. Raises Failure without pip, when pip fails, or without a plugin in it.
    """
    if find_spec("pip") is None:
        raise Failure("This Python has no pip.", "Unpack the wheel yourself and install the folder.")
    # Name and version: a new version does not change the files of one that runs.
    target = data_directory(data, os.environ) / "wheels" / "-".join(wheel.name.split("-")[:2])
    fresh = target.with_name(f"{target.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-input",
        "--target",
        str(fresh),
        str(wheel),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        shutil.rmtree(fresh, ignore_errors=True)
        raise Failure(f"pip could not install {wheel.name}:\n{done.stderr.strip()}", "See pip's words above.")
    # Dependencies may be plugins too; the manifest meant is the one of the wheel's own packages.
    own = {line.split("/")[0] for line in _record(fresh, wheel)}
    found = [path for path in sorted(fresh.glob(f"*/{MANIFEST_NAME}")) if path.parent.name in own]
    if not found:
        shutil.rmtree(fresh, ignore_errors=True)
        raise Failure(
            f"{wheel.name} holds no {MANIFEST_NAME}.", "Is it a Jackfield plugin?", "MANIFEST_MISSING"
        )
    shutil.rmtree(target, ignore_errors=True)
    fresh.rename(target)
    return target / found[0].parent.name


def _record(folder: Path, wheel: Path) -> list[str]:
    name, version = wheel.name.split("-")[:2]
    record = folder / f"{name}-{version}.dist-info" / "RECORD"
    return record.read_text().splitlines() if record.is_file() else []
