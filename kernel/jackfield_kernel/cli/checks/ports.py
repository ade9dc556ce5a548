"""The configuration, what is installed, and whether the ports that both name are free."""

from __future__ import annotations

from collections.abc import Iterator

import psutil

from ...config import KernelConfig, load_config, resolve_plugin_config
from ...errors import KernelError
from ...manifest import JsonSchema, Manifest, defaults_of
from ...paths import DataPaths
from ...supervisor import builtin_sources, discover
from ...telemetry.ports import Holder, port_holder
from ..client import kernel_pid
from ..place import config_file
from .finding import Finding, Surroundings

PORT_KEY = "port"
"""Plugins that listen name their port so in their configuration."""


def configuration_and_ports(around: Surroundings) -> Iterator[Finding]:
    """Whether the file can be read, the plugins be found, and their ports be had."""
    path = config_file(None, around.data, around.environ)
    try:
        config = load_config(path, around.environ, {})
    except KernelError as error:
        yield Finding("config", "fail", error.message, error.remedy)
        return
    warnings = "\n".join(str(warning) for warning in config.warnings)
    detail = warnings or (str(path) if path else "no jackfield.yaml: defaults")
    yield Finding("config", "warn" if warnings else "ok", detail, "Correct these keys." if warnings else "")
    ports = {config.settings.metrics.port: "metrics"} if config.settings.metrics.enabled else {}
    names = []
    for found in discover(builtin_sources(config)):
        if found.manifest is None:
            message, remedy = (found.error.message, found.error.remedy) if found.error else ("", "")
            yield Finding(f"plugin {found.name}", "fail", message, remedy)
            continue
        names.append(found.name)
        for port in _ports(found.manifest, config, around):
            ports.setdefault(port, found.name)
    if not names:
        yield Finding("plugins", "warn", "none", "Install some: without plugins the kernel can do nothing.")
    else:
        yield Finding("plugins", "ok", ", ".join(names))
    ours = _family(kernel_pid(DataPaths(around.data).lock))
    for port, owner in sorted(ports.items()):
        if port:
            yield _port(port, owner, port_holder(port), ours)


def _ports(manifest: Manifest, config: KernelConfig, around: Surroundings) -> Iterator[int]:
    entry = config.settings.plugins.get(manifest.name)
    resolved = resolve_plugin_config(manifest, entry.config if entry else {}, {}, around.environ)
    for values in (resolved.values, _defaults(manifest.bot_config)):
        port = values.get(PORT_KEY)
        if isinstance(port, int) and 0 < port < 65536:
            yield port


def _defaults(schema: JsonSchema) -> dict[str, object]:
    return dict(defaults_of(schema))


def _port(port: int, owner: str, holder: Holder | None, ours: set[int]) -> Finding:
    name = f"port {port}"
    if holder is None:
        return Finding(name, "ok", f"free for {owner}")
    if holder.pid in ours:
        return Finding(name, "ok", f"held by {owner} of the running kernel, pid {holder.pid}")
    remedy = f"Stop that process, or configure another port for {owner}."
    return Finding(name, "fail", f"{owner} wants it, but it is held by {holder}", remedy)


def _family(pid: str) -> set[int]:
    """The kernel and everything below it."""
    if not pid.isdigit():
        return set()
    try:
        return {int(pid), *(child.pid for child in psutil.Process(int(pid)).children(recursive=True))}
    except psutil.NoSuchProcess:
        return set()
