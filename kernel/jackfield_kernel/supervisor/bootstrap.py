"""The file a starting plugin learns the kernel's address and its secret from."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

VERSION = 1


@dataclass(frozen=True)
class Bootstrap:
    """What `jackfield.v1.Bootstrap` holds; written as protobuf JSON with proto field names."""

    plugin: str
    address: str
    secret: str
    kernel_version: str
    contract_versions: Sequence[int]
    log_path: Path
    data_dir: Path
    successor: bool = False

    def as_json(self) -> dict[str, object]:
        """Return the message as protobuf JSON."""
        return {
            "version": VERSION,
            "plugin": self.plugin,
            "address": self.address,
            "secret": self.secret,
            "kernel_version": self.kernel_version,
            "contract_versions": list(self.contract_versions),
            "log_path": str(self.log_path),
            "data_dir": str(self.data_dir),
            "successor": self.successor,
        }


def write_bootstrap(path: Path, bootstrap: Bootstrap) -> None:
    """Write the file, readable by its owner only, whole or not at all."""
    draft = path.with_suffix(".new")
    draft.unlink(missing_ok=True)
    file = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(file, "w") as stream:
        json.dump(bootstrap.as_json(), stream)
    draft.replace(path)


def remove_bootstrap(path: Path) -> None:
    """Remove the file: after the first attach the secret is worth nothing, and nobody should find it."""
    path.unlink(missing_ok=True)
