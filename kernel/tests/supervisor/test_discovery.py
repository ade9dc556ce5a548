"""Plugins are found without running them, and what is broken stays visible beside what is sound."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest
from jackfield_kernel.config import load_config
from jackfield_kernel.hooks import Hooks, hookimpl
from jackfield_kernel.supervisor import Candidate, Found, builtin_sources, discover, plan

# More than `make test-fast` has time for.
pytestmark = pytest.mark.slow

MANIFEST = """\
manifest: 1
name: {name}
version: 1.0.0
contract: 1
kind: handler
title: A test
description: A test
run: {{python: {name}}}
"""


def folder(at: Path, name: str, text: str = MANIFEST) -> Path:
    at.mkdir(parents=True)
    (at / "jackfield-plugin.yaml").write_text(text.format(name=name))
    return at


def find(tmp_path: Path, configuration: str = "{}") -> dict[str, Found]:
    path = tmp_path / "jackfield.yaml"
    path.write_text(configuration)
    config = load_config(path, {}, {})
    return {found.name: found for found in discover(builtin_sources(config))}


def reason(found: Found) -> str | None:
    return found.error.reason if found.error else None


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of installed packages whose import would fail."""
    place = tmp_path / "site"
    place.mkdir()
    monkeypatch.syspath_prepend(place)
    return place


def install(site: Path, name: str, package: str, text: str = MANIFEST) -> None:
    info = site / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[jackfield.plugins]\n{name} = {package}\n")
    folder(site / package, name, text)
    (site / package / "__init__.py").write_text("raise RuntimeError('a plugin must not be imported')")
    importlib.invalidate_caches()


def test_installed_plugins_are_found_without_importing_them(tmp_path: Path, site: Path) -> None:
    install(site, "alpha", "alpha_package")
    install(site, "beta", "beta_package", MANIFEST.replace("{name}", "gamma", 1).replace("{name}", "x"))
    (site / "beta_package" / "jackfield-plugin.yaml").write_text(MANIFEST.format(name="gamma"))
    found = find(tmp_path)
    assert found["alpha"].trusted
    assert found["alpha"].python_path is None
    assert found["alpha"].origin == "package alpha"
    assert "Make name and its entry point agree" in str(found["beta"].error)


def test_an_installed_package_without_a_manifest_says_so(tmp_path: Path, site: Path) -> None:
    install(site, "alpha", "alpha_package")
    (site / "alpha_package" / "jackfield-plugin.yaml").unlink()
    assert reason(find(tmp_path)["alpha"]) == "MANIFEST_MISSING"


def test_a_broken_manifest_stands_beside_a_good_one(tmp_path: Path) -> None:
    folder(tmp_path / "mine" / "good" / "good_package", "good")
    folder(tmp_path / "mine" / "bad", "bad", MANIFEST.replace("kind", "knid"))
    found = find(tmp_path, "plugin_dirs: [mine, absent]")
    assert found["good"].manifest
    assert found["good"].python_path == tmp_path / "mine" / "good" / "good_package"
    assert "Did you mean kind?" in str(found["bad"].error)
    assert reason(found["absent"]) == "MANIFEST_MISSING"


def test_of_two_plugins_with_one_name_none_runs_until_one_is_chosen(tmp_path: Path) -> None:
    folder(tmp_path / "mine" / "one", "echo")
    two = folder(tmp_path / "mine" / "two", "echo")
    found = find(tmp_path, "plugin_dirs: [mine]")
    assert reason(found["echo"]) == "DUPLICATE_PLUGIN"
    assert "plugins.echo.directory" in str(found["echo"].error)
    found = find(tmp_path, "plugin_dirs: [mine]\nplugins: {echo: {directory: mine/two}}")
    assert found["echo"].manifest
    assert found["echo"].manifest.path.parent == two


def test_a_broken_plugin_does_not_hide_a_sound_one_of_its_name(tmp_path: Path) -> None:
    folder(tmp_path / "mine" / "any", "parrot")
    folder(tmp_path / "mine" / "parrot", "parrot", "kind: [")
    found = find(tmp_path, "plugin_dirs: [mine]")
    assert found["parrot"].manifest
    assert reason(found[f"parrot (folder {tmp_path / 'mine' / 'parrot'})"]) == "MANIFEST_INVALID"


def test_strangers_wait_for_approval(tmp_path: Path) -> None:
    folder(tmp_path / "mine" / "stranger", "stranger")
    folder(tmp_path / "mine" / "known", "known")
    folder(tmp_path / "mine" / "mute", "mute")
    text = "plugin_dirs: [mine]\nplugins: {known: {}, mute: {enabled: false}}"
    found = find(tmp_path, text)
    config = load_config(tmp_path / "jackfield.yaml", {}, {})
    holds = {name: plan(one, config, approved=()).hold for name, one in found.items()}
    assert holds["known"] is None
    assert holds["mute"]
    assert holds["stranger"]
    assert (holds["mute"].name, holds["stranger"].name) == ("DISABLED", "NEEDS_APPROVAL")
    assert plan(found["stranger"], config, approved={"stranger"}).hold is None


def test_extensions_add_sources_and_launchers(tmp_path: Path) -> None:
    class Extension:
        @hookimpl
        def jackfield_plugin_sources(self) -> list[object]:
            return [self]

        @hookimpl
        def jackfield_launchers(self) -> dict[str, object]:
            return {"mine": self}

        def find(self) -> list[Candidate]:
            return [
                Candidate(
                    "extra", "extension", folder(tmp_path / "extra", "extra") / "jackfield-plugin.yaml", True
                )
            ]

    hooks = Hooks()
    assert hooks.launchers() == {}
    extension = Extension()
    hooks.register(extension)
    assert hooks.launchers() == {"mine": extension}
    config = load_config(None, {}, {})
    assert [found.name for found in discover(hooks.plugin_sources(config))] == ["extra"]
    hooks.register(Extension())
    with pytest.raises(ValueError, match="two extensions provide the launcher mine"):
        hooks.launchers()
