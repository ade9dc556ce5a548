"""Bounds of memory, CPU, processes and files of a plugin's whole tree."""

from .cgroup import ControlGroups, delegated_group
from .limiter import Hold, Limiter
from .rlimits import rlimits

__all__ = ["ControlGroups", "Hold", "Limiter", "delegated_group", "rlimits"]
