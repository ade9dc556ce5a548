"""Commands of chat users: its own, and those that other plugins offer."""

__version__ = "0.1.0"
