"""What the operator configured: kernel settings, plugins and bots, each value with its origin."""

from .bots import BotSpec, resolve_bots
from .errors import ConfigInvalid, ConfigPinned
from .kernel import KernelConfig, data_directory, load_config
from .model import BotEntry, Journal, KernelLimits, Log, Metrics, PluginEntry, Settings
from .origin import Origin, OriginKind
from .values import Resolved, resolve_plugin_config, resolve_values

__all__ = [
    "BotEntry",
    "BotSpec",
    "ConfigInvalid",
    "ConfigPinned",
    "Journal",
    "KernelConfig",
    "KernelLimits",
    "Log",
    "Metrics",
    "Origin",
    "OriginKind",
    "PluginEntry",
    "Resolved",
    "Settings",
    "data_directory",
    "load_config",
    "resolve_bots",
    "resolve_plugin_config",
    "resolve_values",
]
