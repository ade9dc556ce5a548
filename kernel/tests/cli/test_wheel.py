"""A wheel becomes a folder of its own below the data directory."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
from jackfield.v1 import admin_pb2

from .conftest import Shell

INFO = "hello-1.0.dist-info"


def wheel(folder: Path, files: dict[str, str]) -> Path:
    path = folder / "hello-1.0-py3-none-any.whl"
    meta = {
        f"{INFO}/METADATA": "Metadata-Version: 2.1\nName: hello\nVersion: 1.0\n",
        f"{INFO}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    names = [*files, *meta, f"{INFO}/RECORD"]
    record = {f"{INFO}/RECORD": "".join(f"{name},,\n" for name in names)}
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in {**files, **meta, **record}.items():
            archive.writestr(name, text)
    return path


@pytest.mark.slow
def test_a_wheel_is_unpacked_apart_and_its_manifest_named(shell: Shell, tmp_path: Path) -> None:
    path = wheel(tmp_path, {"hello/__init__.py": "", "hello/jackfield-plugin.yaml": "manifest: 1\n"})
    answer = admin_pb2.InstallPluginResponse(plugin=admin_pb2.PluginStatus(name="hello", version="1.0"))
    shell.admin.answers["InstallPlugin"] = answer
    assert shell("plugin", "install", str(path), "--yes").code == 0
    place = shell.data / "wheels" / "hello-1.0" / "hello"
    assert shell.admin.requests == [admin_pb2.InstallPluginRequest(path=str(place))]
    assert (place / "jackfield-plugin.yaml").is_file()


@pytest.mark.slow
def test_a_wheel_without_a_plugin_is_refused_and_leaves_nothing(shell: Shell, tmp_path: Path) -> None:
    shown = shell("plugin", "install", str(wheel(tmp_path, {"hello/__init__.py": ""})), "--yes")
    assert shown.code == 1
    assert "holds no jackfield-plugin.yaml" in shown.err
    assert list((shell.data / "wheels").iterdir()) == []
