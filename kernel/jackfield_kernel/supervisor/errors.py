"""Errors of the supervisor."""

from __future__ import annotations

from collections.abc import Sequence

import grpc

from ..errors import KernelError
from .state import Reason


class SupervisorError(KernelError):
    """Root of this room's errors."""


class UnknownPlugin(SupervisorError):
    """No plugin of that name is installed."""

    reason = "UNKNOWN_PLUGIN"
    code = grpc.StatusCode.NOT_FOUND
    retryable = False


class CannotStart(SupervisorError):
    """The plugin cannot be started as it stands, such as with a broken manifest or an unapproved grant."""

    reason = "CANNOT_START"
    code = grpc.StatusCode.FAILED_PRECONDITION
    retryable = False


class LaunchFailed(SupervisorError):
    """The operating system refused to start the plugin's program."""

    reason = "LAUNCH_FAILED"
    code = grpc.StatusCode.FAILED_PRECONDITION
    retryable = False


class IsolationUnavailable(LaunchFailed):
    """The plugin must run in a sandbox, and none works here."""

    reason = "ISOLATION_UNAVAILABLE"


class PluginDuplicate(SupervisorError):
    """Two installed plugins have one name."""

    reason = "DUPLICATE_PLUGIN"
    code = grpc.StatusCode.ALREADY_EXISTS
    retryable = False


class ManifestMissing(SupervisorError):
    """A place that should hold a plugin holds no manifest."""

    reason = "MANIFEST_MISSING"
    code = grpc.StatusCode.NOT_FOUND
    retryable = False


class UpgradeFailed(SupervisorError):
    """The new generation of a plugin did not become ready; the old one goes on as if nothing had happened."""

    reason = "UPGRADE_FAILED"
    code = grpc.StatusCode.FAILED_PRECONDITION
    retryable = False

    def __init__(self, plugin: str, why: Reason, last_lines: Sequence[str] = ()) -> None:
        remedy = why.remedy or "Mend it and upgrade again; the running version goes on."
        super().__init__(
            f"The new version of {plugin} did not become ready: {why.text or why.name}",
            remedy=remedy,
            plugin=plugin,
            cause=why.name,
        )
        self.last_lines = tuple(last_lines)
