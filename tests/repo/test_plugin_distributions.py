"""Every shipped plugin is laid out alike, and its manifest, package and distribution tell the same."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from jackfield_kernel.manifest import MANIFEST_NAME, load_manifest

ROOT = Path(__file__).parents[2]
FOLDERS = ("plugins", "adapters-plugins", "sandbox-plugins")


def distributions() -> Iterator[Path]:
    for folder in FOLDERS:
        yield from sorted(path.parent for path in (ROOT / folder).glob("*/pyproject.toml"))


@pytest.mark.parametrize("folder", list(distributions()), ids=lambda folder: folder.name)
def test_a_plugin_says_the_same_everywhere(folder: Path) -> None:
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    ((name, package),) = project["entry-points"]["jackfield.plugins"].items()
    manifest = load_manifest(folder / package / MANIFEST_NAME)
    assert (name, project["name"]) == (manifest.name, f"jackfield-{manifest.name}")
    assert manifest.version == project["version"]
    assert f'__version__ = "{manifest.version}"' in (folder / package / "__init__.py").read_text()
    assert manifest.run.python == package
    for file in ("README.md", f"{package}/__main__.py", "tests"):
        assert (folder / file).exists(), f"{folder.name} lacks {file}"
