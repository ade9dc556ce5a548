"""The kernel's in-process extension points: the few places where a process of its own makes no sense.

An extension is a Python distribution of the kernel's own environment with an entry point in group
`jackfield.hooks`; its implementations are marked with `hookimpl`. Every implementation of a hook is asked;
their answers are joined.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import pluggy

if TYPE_CHECKING:
    from .config import KernelConfig

PROJECT = "jackfield"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def jackfield_plugin_sources(config: KernelConfig) -> Sequence[Any]:  # type: ignore[empty-body]
    """Return more places to find plugins in, as `supervisor.PluginSource` objects; may be empty.

    Called at each discovery: once at start, and again after an install or remove. Must not run plugin code.
    """


@hookspec
def jackfield_launchers() -> Mapping[str, Any]:  # type: ignore[empty-body]
    """Return more launchers by the name that `plugins.NAME.launcher` uses, as `supervisor.Launcher` objects.

    Called once at start. A name given twice makes the kernel refuse to start.
    """


@hookspec
def jackfield_log_drivers() -> Mapping[str, Any]:  # type: ignore[empty-body]
    """Return journal log drivers by the name that the configuration uses, each a factory called with its
    settings.

    Called once at start, before the journal opens; exactly one of all the drivers is then opened.
    """


@hookspec
def jackfield_secret_stores() -> Mapping[str, Any]:  # type: ignore[empty-body]
    """Return secret stores by the name that the configuration uses, each a factory called with its settings.

    Called once at start, before the first plugin starts; exactly one of all the stores is then opened. A store is a
    `state.secrets.SecretStore`; `embedded` is the kernel's own.
    """


class Hooks:
    """The hooks of one kernel. `register` an object or module whose functions carry `hookimpl`."""

    def __init__(self) -> None:
        self._plugins = pluggy.PluginManager(PROJECT)
        self._plugins.add_hookspecs(_Specs)

    def register(self, implementation: object) -> None:
        """Add an implementation. Raises pluggy.PluginValidationError when it fits no hook's arguments."""
        self._plugins.register(implementation)
        self._plugins.check_pending()

    def load_entry_points(self) -> None:
        """Add every installed extension of group `jackfield.hooks`."""
        self._plugins.load_setuptools_entrypoints("jackfield.hooks")
        self._plugins.check_pending()

    def plugin_sources(self, config: KernelConfig) -> list[Any]:
        """Return the sources of all implementations."""
        answers = cast("list[Sequence[Any]]", self._plugins.hook.jackfield_plugin_sources(config=config))
        return [source for answer in answers for source in answer]

    def launchers(self) -> dict[str, Any]:
        """Return the launchers of all implementations."""
        return _joined("launcher", self._plugins.hook.jackfield_launchers())

    def log_drivers(self) -> dict[str, Any]:
        """Return the log drivers of all implementations."""
        return _joined("log driver", self._plugins.hook.jackfield_log_drivers())

    def secret_stores(self) -> dict[str, Any]:
        """Return the secret stores of all implementations."""
        return _joined("secret store", self._plugins.hook.jackfield_secret_stores())


class _Specs:
    jackfield_plugin_sources = staticmethod(jackfield_plugin_sources)
    jackfield_launchers = staticmethod(jackfield_launchers)
    jackfield_log_drivers = staticmethod(jackfield_log_drivers)
    jackfield_secret_stores = staticmethod(jackfield_secret_stores)


def _joined(what: str, answers: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    joined: dict[str, Any] = {}
    for answer in answers:
        for name, value in answer.items():
            if name in joined:
                raise ValueError(f"two extensions provide the {what} {name}; remove one of them")
            joined[name] = value
    return joined
