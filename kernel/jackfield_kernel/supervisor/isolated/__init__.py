"""Plugins that nobody vouches for, in a sandbox."""

from .launcher import IsolatedLauncher, probe

__all__ = ["IsolatedLauncher", "probe"]
