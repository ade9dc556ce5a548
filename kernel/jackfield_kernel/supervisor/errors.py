"""Errors of the supervisor."""

from __future__ import annotations

import grpc

from ..errors import KernelError


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
