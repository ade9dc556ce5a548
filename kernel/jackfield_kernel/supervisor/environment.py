"""The environment and command line a plugin starts with."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from ..manifest import Manifest

ALLOWED = ("PATH", "HOME", "TMPDIR", "LANG", "TZ")
ALLOWED_PREFIXES = ("LC_", "XDG_")
# Where spans go and how many; never OTEL_EXPORTER_OTLP_HEADERS, which may hold a credential of the collector.
ALLOWED_TRACING = (
    "OTEL_SDK_DISABLED",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_BSP_SCHEDULE_DELAY",
    "OTEL_TRACES_SAMPLER",
    "OTEL_TRACES_SAMPLER_ARG",
)
ALLOWED_ANY_CASE = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
ALLOWED_CA = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")


def plugin_environment(
    environ: Mapping[str, str], bootstrap: Path, python_path: Path | None, extra: Mapping[str, str]
) -> dict[str, str]:
    """Return what a plugin may inherit of `environ`, and the path of its bootstrap file.

    Credentials in the kernel's environment stay there: plugins get their configuration over the wire.
    `python_path` is the folder of a plugin that is not installed; `extra` is what a developer adds.
    """
    env = {name: value for name, value in environ.items() if _allowed(name)}
    if python_path is not None:
        env["PYTHONPATH"] = str(python_path)
    return {**env, **extra, "JACKFIELD_BOOTSTRAP": str(bootstrap)}


def command_line(manifest: Manifest) -> tuple[str, ...]:
    """Return the argument list that starts the plugin; empty when someone else starts it."""
    run = manifest.run
    if run.python:
        # -P keeps the plugin's writable working directory off its module path; -u keeps its last words.
        return (sys.executable, "-P", "-u", "-X", "faulthandler", "-m", run.python)
    if run.exec:
        program, *arguments = run.exec
        if "/" in program:
            program = str((manifest.path.parent / program).absolute())
        return (program, *arguments)
    return ()


def _allowed(name: str) -> bool:
    return (
        name in ALLOWED
        or name in ALLOWED_CA
        or name in ALLOWED_TRACING
        or name.startswith(ALLOWED_PREFIXES)
        or name.upper() in ALLOWED_ANY_CASE
    )
