"""Reads what the plugin's own manifest says it provides."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

FILE_NAME = "jackfield-plugin.yaml"


def own_provides(owner: type[Any]) -> dict[str, Any]:
    """The section `provides` of the manifest beside the module of a class; empty without a file or a YAML
    parser.

    PyYAML is the extra `jackfield-sdk[manifest]`. It is imported here and not above, because handlers never
    need it.
    """
    module = sys.modules.get(owner.__module__)
    source = getattr(module, "__file__", None)
    path = Path(source).parent / FILE_NAME if source else None
    if path is None or not path.is_file():
        return {}
    try:
        yaml = importlib.import_module("yaml")
    except ImportError:
        return {}
    content = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    provides: dict[str, Any] = content.get("provides") or {}
    return provides
