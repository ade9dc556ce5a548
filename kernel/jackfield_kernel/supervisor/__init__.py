"""Finding plugins, starting them, and keeping them alive."""

from .bootstrap import Bootstrap
from .discovery import Candidate, Found, PluginSource, builtin_sources, discover
from .errors import (
    CannotStart,
    IsolationUnavailable,
    LaunchFailed,
    ManifestMissing,
    PluginDuplicate,
    SupervisorError,
    UnknownPlugin,
)
from .follower import LogLine
from .isolated import IsolatedLauncher
from .launcher import Exit, Launcher, LaunchSpec, Running
from .limits import ControlGroups, Limiter
from .logfiles import tail
from .policy import RestartRules
from .preloaded import PreloadedLauncher
from .process import ProcessLauncher
from .spec import EXTERNAL, PluginSnapshot, PluginSpec, plan
from .state import TRANSITIONS, Reason, State
from .supervisor import Supervisor
from .surroundings import Endpoint, EndpointOpener, Link, Listener, Surroundings, Timing

__all__ = [
    "EXTERNAL",
    "TRANSITIONS",
    "Bootstrap",
    "Candidate",
    "CannotStart",
    "ControlGroups",
    "Endpoint",
    "EndpointOpener",
    "Exit",
    "Found",
    "IsolatedLauncher",
    "IsolationUnavailable",
    "LaunchFailed",
    "LaunchSpec",
    "Launcher",
    "Limiter",
    "Link",
    "Listener",
    "LogLine",
    "ManifestMissing",
    "PluginDuplicate",
    "PluginSnapshot",
    "PluginSource",
    "PluginSpec",
    "PreloadedLauncher",
    "ProcessLauncher",
    "Reason",
    "RestartRules",
    "Running",
    "State",
    "Supervisor",
    "SupervisorError",
    "Surroundings",
    "Timing",
    "UnknownPlugin",
    "builtin_sources",
    "discover",
    "plan",
    "tail",
]
