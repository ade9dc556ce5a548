"""Reads the file that the kernel leaves for a plugin that it starts."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

VARIABLE = "JACKFIELD_BOOTSTRAP"
CONTRACT_VERSIONS = (1,)


class NotStartedByKernel(RuntimeError):
    """The process has no bootstrap file: somebody ran the plugin by hand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bootstrap:
    """Where the kernel is and how to prove who we are. Fields as in `jackfield.v1.Bootstrap`."""

    address: str
    plugin: str
    secret: str
    version: int = 1
    kernel_version: str = ""
    contract_versions: tuple[int, ...] = CONTRACT_VERSIONS
    data_dir: str = ""
    log_path: str = ""
    manifest_digest: str = ""
    certificate: str = ""
    private_key: str = ""
    roots: str = ""
    successor: bool = False

    def __repr__(self) -> str:
        return f"Bootstrap(plugin={self.plugin!r}, address={self.address!r})"


def read_bootstrap(path: str | None = None) -> Bootstrap:
    """Reads `path`, else the file that JACKFIELD_BOOTSTRAP names. Raises NotStartedByKernel with what to
    do."""
    path = path or os.environ.get(VARIABLE, "")
    if not path:
        raise NotStartedByKernel(
            f"{VARIABLE} is not set: a plugin is started by the kernel. "
            "Test it with jackfield_sdk.testing.FakeKernel, or install it and run `jackfield run`."
        )
    try:
        fields: dict[str, Any] = json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise NotStartedByKernel(f"{path} is gone: the kernel removes it after the first start") from error
    known = {name: fields[name] for name in Bootstrap.__dataclass_fields__ if name in fields}
    if "contract_versions" in known:
        known["contract_versions"] = tuple(known["contract_versions"])
    return Bootstrap(**known)
