"""Plugins that nobody vouches for, in a sandbox."""

from .launcher import IsolatedLauncher, probe
from .staging import give_home, user_of

__all__ = ["IsolatedLauncher", "give_home", "probe", "user_of"]
