"""Finding plugins without running them: entry points, plugin folders, configuration, extensions."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.machinery import ModuleSpec
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

from ..config import KernelConfig
from ..errors import KernelError
from ..manifest import MANIFEST_NAME, Manifest, ManifestInvalid, Problem, load_manifest
from .errors import ManifestMissing, PluginDuplicate

GROUP = "jackfield.plugins"


@dataclass(frozen=True)
class Candidate:
    """A place that should hold a plugin.

    `name` is what the source calls it. `trusted`: from the kernel's own environment or named in the
    configuration, so that it gets the grants its manifest asks for. `chosen`: named by the operator, wins
    over equal names elsewhere.
    """

    name: str
    origin: str
    manifest: Path | None
    trusted: bool
    chosen: bool = False
    installed: bool = False
    place: Path | None = None
    """Its folder; None for an installed package."""


class PluginSource(Protocol):
    """A way to find plugins. Must not import or run them."""

    def find(self) -> Iterable[Candidate]:
        """Return every candidate, each time anew."""
        ...


@dataclass(frozen=True)
class Found:
    """A plugin of this machine, or what is wrong with it: exactly one of `manifest` and `error` is set."""

    name: str
    origin: str
    trusted: bool
    manifest: Manifest | None = None
    error: KernelError | None = None
    python_path: Path | None = None
    place: Path | None = None


class EntryPointSource:
    """Plugins installed into the kernel's own environment, by entry points of group `jackfield.plugins`.

    `only` limits them to these names; None means all.
    """

    def __init__(self, only: Container[str] | None = None) -> None:
        self._only = only

    def find(self) -> Iterator[Candidate]:
        """Yield one candidate per entry point; its value is the name of a top-level package."""
        for point in entry_points(group=GROUP):
            if self._only is not None and point.name not in self._only:
                continue
            origin = f"package {point.dist.name}" if point.dist else f"entry point {point.name}"
            yield Candidate(point.name, origin, _manifest_of(point), trusted=True, installed=True)


class FolderSource:
    """Plugin folders below the folders of `plugin_dirs`."""

    def __init__(self, folders: Sequence[Path], named: Iterable[str]) -> None:
        self._folders = folders
        self._named = frozenset(named)

    def find(self) -> Iterator[Candidate]:
        """Yield each sub-folder that holds a manifest, itself or in a package right below."""
        for folder in self._folders:
            try:
                places = sorted(folder.iterdir())
            except OSError:
                yield Candidate(folder.name, f"plugin_dirs {folder}", None, trusted=False)
                continue
            for place in places:
                if place.is_dir() and (path := manifest_in(place)):
                    trusted = place.name in self._named
                    yield Candidate(place.name, f"folder {place}", path, trusted=trusted, place=place)


class ConfiguredSource:
    """Plugins whose `directory` stands in the configuration."""

    def __init__(self, directories: dict[str, Path]) -> None:
        self._directories = directories

    def find(self) -> Iterator[Candidate]:
        """Yield one candidate per configured directory."""
        for name, place in self._directories.items():
            path = manifest_in(place) if place.is_dir() else None
            yield Candidate(name, f"folder {place}", path, trusted=True, chosen=True, place=place)


def builtin_sources(config: KernelConfig) -> list[PluginSource]:
    """Return the sources every kernel has."""
    plugins = config.settings.plugins
    directories = {name: entry.directory for name, entry in plugins.items() if entry.directory}
    return [
        ConfiguredSource(directories),
        FolderSource(config.settings.plugin_dirs, plugins),
        EntryPointSource(None if config.settings.discover else plugins),
    ]


def discover(sources: Iterable[PluginSource]) -> list[Found]:
    """Return every plugin found, ordered by name.

    A broken one carries its error and never hides the others.
    """
    by_name: dict[str, list[tuple[Candidate, Found]]] = {}
    for source in sources:
        for candidate in source.find():
            found = _read(candidate)
            by_name.setdefault(found.name, []).append((candidate, found))
    return [found for name, claims in sorted(by_name.items()) for found in _settled(name, claims)]


def manifest_in(place: Path) -> Path | None:
    """Return the manifest in a plugin's folder, or in the package right below it."""
    if (direct := place / MANIFEST_NAME).is_file():
        return direct
    return next(iter(sorted(place.glob(f"*/{MANIFEST_NAME}"))), None)


def _manifest_of(point: EntryPoint) -> Path | None:
    # find_spec of a dotted name would import its parents, so only the top-level package is looked up.
    package, _, rest = point.value.partition(":")[0].strip().partition(".")
    try:
        spec: ModuleSpec | None = find_spec(package)
    except (ImportError, ValueError):
        return None
    for place in (spec.submodule_search_locations or []) if spec else []:
        path = Path(place, *rest.split(".")) / MANIFEST_NAME if rest else Path(place) / MANIFEST_NAME
        if path.is_file():
            return path
    return None


def _read(candidate: Candidate) -> Found:
    name, origin, trusted, path = candidate.name, candidate.origin, candidate.trusted, candidate.manifest
    if path is None:
        error = ManifestMissing(
            f"{origin} holds no {MANIFEST_NAME}.",
            remedy=f"Put {MANIFEST_NAME} beside the plugin's __main__.py, or remove the plugin.",
            plugin=name,
        )
        return Found(name, origin, trusted, error=error)
    try:
        manifest = load_manifest(path)
    except ManifestInvalid as invalid:
        return Found(name, origin, trusted, error=invalid)
    if (candidate.installed or candidate.chosen) and manifest.name != name:
        where = "its entry point" if candidate.installed else f"plugins.{name}"
        problem = Problem(str(path), "name", f"{name}, as {where} says", f"Make name and {where} agree.")
        return Found(name, origin, trusted, error=ManifestInvalid(path, [problem]))
    python_path = None if candidate.installed else python_path_of(manifest)
    return Found(
        manifest.name, origin, trusted, manifest=manifest, python_path=python_path, place=candidate.place
    )


def python_path_of(manifest: Manifest) -> Path | None:
    """Return the folder to import the plugin from when it is not installed; None when it is no Python."""
    if not manifest.run.python:
        return None
    folder = manifest.path.parent.absolute()
    return folder.parent if manifest.run.python.split(".")[0] == folder.name else folder


def _settled(name: str, claims: list[tuple[Candidate, Found]]) -> list[Found]:
    """Decide who has the name: the operator's choice, else the only sound plugin; two sound ones both lose."""
    chosen = next((found for candidate, found in claims if candidate.chosen), None)
    if chosen:
        return [chosen]
    sound = {found.manifest.path.resolve(): found for _, found in claims if found.manifest}
    broken = [found for _, found in claims if found.error]
    if len(sound) == 1:
        # The broken one must stay visible, and must not hide the sound one.
        return [*sound.values(), *(replace(found, name=f"{name} ({found.origin})") for found in broken)]
    if not sound:
        return broken[:1]
    origins = " and ".join(found.origin for found in sound.values())
    error = PluginDuplicate(
        f"{origins} both hold a plugin named {name}.",
        remedy=f"Remove one, or choose one by plugins.{name}.directory in jackfield.yaml.",
        plugin=name,
    )
    return [Found(name, origins, trusted=False, error=error)]
