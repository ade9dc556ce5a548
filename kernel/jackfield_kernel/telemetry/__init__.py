"""What the kernel tells about itself: logs, metrics, health."""

from .health import Health, HealthServer
from .logs import configure
from .metrics import Metrics
from .plugin_logs import log_line
from .ports import Holder, port_holder
from .safe_text import one_line, safe_text

__all__ = [
    "Health",
    "HealthServer",
    "Holder",
    "Metrics",
    "configure",
    "log_line",
    "one_line",
    "port_holder",
    "safe_text",
]
